//! The one task of a session: reads and writes its WebSocket, keeps its timers, and hands its client's packets to the
//! handler, one after the other.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use serde_json::{Map, Value, json};
use tokio::time::Sleep;

use super::{
    Socket,
    handler::{ConnectError, auth_value},
    link::{Core, Link, Seat},
    websocket::Wire,
};
use crate::{
    engine::{Close, Phase},
    packet::{Body, MAIN_NAMESPACE, Packet},
};

/// What a handler's call leads to.
enum Outcome {
    /// Nothing further.
    Done,
    /// The client is connected.
    Joined(Socket),
    /// It is not.
    Refused(ConnectError),
}

type Call = Pin<Box<dyn Future<Output = Outcome> + Send>>;

enum Step {
    Handled(Outcome),
    Look,
}

/// The state of the task.
pub(crate) struct Driver {
    link: Arc<Link>,
    wire: Wire,
    seat: Option<Socket>,
    call: Option<Call>,
    sleep: Pin<Box<Sleep>>,
}

impl Driver {
    pub(crate) fn new(link: Arc<Link>, wire: Wire) -> Self {
        let sleep = Box::pin(tokio::time::sleep_until(link.instant(0)));
        Self { link, wire, seat: None, call: None, sleep }
    }

    /// Runs the session to its end.
    pub(crate) async fn run(mut self) {
        let why = loop {
            if self.call.is_none() {
                let (message, over) = {
                    let mut core = self.link.lock();
                    (core.inbox.pop(), closed(&core))
                };
                self.link.post.wake();
                match (message, over) {
                    (Some(message), _) => self.dispatch(message.as_str()),
                    (None, Some(why)) => break why,
                    (None, None) => {}
                }
            }
            match poll_fn(|context| self.poll(context)).await {
                Step::Handled(outcome) => self.settle(outcome),
                Step::Look => {}
            }
        };
        // The transport goes first: a handler that takes its time must not keep the connection.
        self.wire = Wire::Polling;
        tracing::debug!(sid_node = %self.link.server.config.node, reason = why.reason(), "session closed");
        if let Some(socket) = self.seat.take() {
            self.link.server.handler.disconnect(&socket, why.reason()).await;
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        self.link.task.register(context.waker());
        if let Some(call) = &mut self.call
            && let Poll::Ready(outcome) = call.as_mut().poll(context)
        {
            self.call = None;
            return Poll::Ready(Step::Handled(outcome));
        }
        // Read before time passes, so that a pong that is here is not missed; write after, so that a ping goes out.
        self.wire.poll_read(&self.link, context);
        let now_ms = self.link.now_ms();
        let deadline_ms = self.link.tick(&mut self.link.lock(), now_ms);
        self.wire.poll_write(&self.link, context);
        let mut core = self.link.lock();
        if let Some(websocket) = core.offer.take() {
            self.wire = Wire::WebSocket(websocket);
            return Poll::Ready(Step::Look);
        }
        let idle = self.call.is_none();
        let look = idle && (!core.inbox.is_empty() || closed(&core).is_some());
        drop(core);
        // A ping may be due or the session over: both are news to a pending poll.
        self.link.poll.wake();
        self.link.post.wake();
        if look {
            return Poll::Ready(Step::Look);
        }
        if let Some(deadline_ms) = deadline_ms {
            let deadline = self.link.instant(deadline_ms);
            if self.sleep.deadline() != deadline {
                self.sleep.as_mut().reset(deadline);
            }
            if self.sleep.as_mut().poll(context).is_ready() {
                return Poll::Ready(Step::Look);
            }
        }
        Poll::Pending
    }

    /// Takes one packet from the client. While a call runs, none is taken.
    fn dispatch(&mut self, message: &str) {
        let Ok(packet) = Packet::decode(message) else { return self.violation() };
        if packet.namespace != MAIN_NAMESPACE {
            return self.other_namespace(&packet);
        }
        match (packet.body, self.seat.clone()) {
            (Body::Connect(auth), None) => self.connect(auth),
            (Body::Disconnect, Some(socket)) => self.leave(socket),
            (Body::Event { id, name, arguments }, Some(socket)) => self.event(socket, id, name, arguments),
            // The server asks for no acknowledgements, so this one answers nothing.
            (Body::Ack { .. }, Some(_)) => {}
            (Body::Binary { .. }, Some(_)) => {
                self.link.close(Close::Server("binary packets are not supported".to_owned()), false);
            }
            _ => self.violation(),
        }
    }

    fn violation(&self) {
        self.link.close(Close::Violation, false);
    }

    fn other_namespace(&self, packet: &Packet) {
        match packet.body {
            Body::Connect(_) => {
                let body = Body::ConnectError(json!({"message": "Invalid namespace"}));
                let refusal = Packet { namespace: packet.namespace.clone(), body }.encode();
                self.link.change(|core, _| core.session.outbox().append(refusal.into(), false));
            }
            Body::Disconnect => {}
            _ => self.violation(),
        }
    }

    fn connect(&mut self, auth: Option<Map<String, Value>>) {
        let server = self.link.server.clone();
        let generation = self.link.change(|core, _| {
            core.generation += 1;
            core.seat = Seat::Deciding;
            core.session.outbox().hold();
            core.generation
        });
        let socket = Socket::new(server.new_id(), generation, self.link.clone());
        self.call = Some(Box::pin(async move {
            match server.handler.connect(&socket, auth_value(auth)).await {
                Ok(()) => Outcome::Joined(socket),
                Err(error) => Outcome::Refused(error),
            }
        }));
    }

    fn leave(&mut self, socket: Socket) {
        self.seat = None;
        let server = self.link.server.clone();
        self.link.change(|core, now_ms| {
            core.seat = Seat::Empty { connect_by_ms: now_ms + server.config.connect_timeout_ms };
        });
        self.call = Some(Box::pin(async move {
            server.handler.disconnect(&socket, "client namespace disconnect").await;
            Outcome::Done
        }));
    }

    fn event(&mut self, socket: Socket, id: Option<u64>, name: String, arguments: Vec<Value>) {
        let server = self.link.server.clone();
        self.call = Some(Box::pin(async move {
            let answer = server.handler.event(&socket, &name, arguments).await;
            if let (Some(id), Some(arguments)) = (id, answer) {
                socket.push(Packet::main(Body::Ack { id, arguments }).encode().into(), false);
            }
            Outcome::Done
        }));
    }

    fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done => {}
            Outcome::Joined(socket) => {
                let mut data = Map::new();
                data.insert("sid".to_owned(), socket.id().into());
                let grant = Packet::main(Body::Connect(Some(data))).encode();
                self.seat = Some(socket);
                self.link.change(|core, _| {
                    core.seat = Seat::Taken;
                    if core.session.phase() == &Phase::Open {
                        core.session.outbox().release(grant.into());
                    }
                });
            }
            Outcome::Refused(error) => {
                let refusal = Packet::main(Body::ConnectError(error.payload())).encode();
                let connect_timeout_ms = self.link.server.config.connect_timeout_ms;
                self.link.change(|core, now_ms| {
                    core.seat = Seat::Empty { connect_by_ms: now_ms + connect_timeout_ms };
                    core.session.outbox().discard_held();
                    if core.session.phase() == &Phase::Open {
                        core.session.outbox().append(refusal.into(), false);
                    }
                });
            }
        }
    }
}

impl Drop for Driver {
    /// Also after a handler's panic: nobody may wait for a session that has no task.
    fn drop(&mut self) {
        self.link.server.forget(&self.link.sid);
        self.link.change(|core, _| core.session.end(Close::TransportError));
    }
}

fn closed(core: &Core) -> Option<Close> {
    match core.session.phase() {
        Phase::Closed(why) => Some(why.clone()),
        _ => None,
    }
}
