//! The one task of a session: reads and writes its WebSocket, keeps its timers, and hands its client's packets to the
//! handler, one after the other.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::{Map, Value, json};
use tokio::time::Sleep;

use super::{
    Connection, Socket,
    front::Above,
    handler::{ConnectError, Messages},
    inbox::Unreadable,
    link::{Core, Link, Seat},
    websocket::Wire,
};
use crate::{
    engine::{Close, Part, Phase, Rate},
    packet::{Arguments, Body, Decoder, Packet, PacketError},
};

/// Events of one client that are under way together; while they are, no more is read.
const UNDER_WAY_MAX: usize = 512;

/// What a handler's call leads to.
enum Outcome {
    /// Nothing further.
    Done,
    /// The client is connected.
    Joined(Socket),
    /// It is not.
    Refused(Socket, ConnectError),
}

type Call = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How a call stands to those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It begins once all of them have ended.
    After,
    /// It begins after they have begun, and whoever comes next need not wait for its end.
    Beside,
}

enum Step {
    Handled(Outcome),
    Look,
}

/// What is next to be handled.
enum Next {
    Packet(Packet),
    Bare(Part),
}

/// The state of the task.
pub(crate) struct Driver {
    link: Arc<Link>,
    wire: Wire,
    sockets: Vec<Socket>,
    decoder: Decoder,
    /// Read while a call waited for an acknowledgement that may be behind them.
    ahead: VecDeque<Packet>,
    messages: Rate,
    message_bytes: Rate,
    /// The newest call, and whether it may be set aside once it has begun.
    call: Option<(Turn, Call)>,
    /// Calls that have begun and were set aside; few clients ever have one.
    under_way: Option<Box<FuturesUnordered<Call>>>,
    sleep: Pin<Box<Sleep>>,
}

impl Driver {
    pub(crate) fn new(link: Arc<Link>, wire: Wire) -> Self {
        let config = &link.server.config;
        Self {
            wire,
            sockets: Vec::new(),
            decoder: Decoder::new(config.packet_limits()),
            ahead: VecDeque::new(),
            messages: Rate::new(config.messages),
            message_bytes: Rate::new(config.message_bytes),
            call: None,
            under_way: None,
            sleep: Box::pin(tokio::time::sleep_until(link.instant(0))),
            link,
        }
    }

    /// Runs the session to its end.
    pub(crate) async fn run(mut self) {
        let why = loop {
            if self.call.is_some() {
                self.look_ahead();
            } else if self.is_rested() {
                match self.next() {
                    Some(Next::Packet(packet)) => self.dispatch(packet),
                    Some(Next::Bare(message)) => self.bare(message),
                    None => {
                        let over = closed(&self.link.lock()).filter(|_| self.under_way.is_none());
                        if let Some(why) = over {
                            break why;
                        }
                    }
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
        self.link.lock().acks.clear();
        for socket in std::mem::take(&mut self.sockets) {
            socket.in_namespace().handler.disconnect(&socket, why.reason()).await;
        }
        linger(&self.link).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        self.link.task.register(context.waker());
        if let Some(step) = self.poll_calls(context) {
            return Poll::Ready(step);
        }
        // Read before time passes, so that a pong that is here is not missed; write after, so that a ping goes out.
        self.wire.poll_read(&self.link, context);
        let now_ms = self.link.now_ms();
        let mut deadline_ms = self.link.tick(&mut self.link.lock(), now_ms);
        self.wire.poll_write(&self.link, context);
        let mut core = self.link.lock();
        if let Some(websocket) = core.offer.take() {
            self.wire = Wire::WebSocket(websocket);
            return Poll::Ready(Step::Look);
        }
        let received = !core.inbox.is_empty();
        let look = match &self.call {
            // What is under way wakes this task when it ends.
            None if closed(&core).is_some() => self.under_way.is_none(),
            None if received || !self.ahead.is_empty() => {
                let ready_ms = self.ready_us().div_ceil(1_000);
                deadline_ms = deadline_ms.map(|deadline_ms| deadline_ms.min(ready_ms));
                ready_ms <= now_ms
            }
            None => false,
            Some(_) => received && self.may_look_ahead(&core),
        };
        drop(core);
        // A ping may be due or the session over: both are news to a pending poll.
        self.link.poll.wake();
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

    /// Lets calls go on, in the order in which they began; sets the newest aside where it may be.
    fn poll_calls(&mut self, context: &mut Context<'_>) -> Option<Step> {
        if let Some(under_way) = &mut self.under_way {
            // Their outcomes are acknowledgements, which are sent already.
            while let Poll::Ready(Some(_)) = under_way.poll_next_unpin(context) {}
            if under_way.is_empty() {
                self.under_way = None;
                if self.call.is_none() {
                    return Some(Step::Look);
                }
            }
        }
        let room = self.under_way.as_ref().is_none_or(|calls| calls.len() < UNDER_WAY_MAX);
        let (turn, call) = self.call.as_mut()?;
        let begins = match turn {
            Turn::After => self.under_way.is_none(),
            Turn::Beside => room,
        };
        if !begins {
            return None;
        }
        let polled = call.as_mut().poll(context);
        match (polled, *turn) {
            (Poll::Ready(outcome), _) => {
                self.call = None;
                Some(Step::Handled(outcome))
            }
            (Poll::Pending, Turn::Beside) => {
                let (_, call) = self.call.take()?;
                self.under_way.get_or_insert_default().push(call);
                // What was set aside is polled by its new keeper before anybody waits.
                self.poll_calls(context).or(Some(Step::Look))
            }
            (Poll::Pending, Turn::After) => None,
        }
    }

    fn ready_us(&self) -> u64 {
        self.messages.ready_us().max(self.message_bytes.ready_us())
    }

    /// Whether the client has sent no more than its rate allows; what a closed session left is handled at once.
    fn is_rested(&self) -> bool {
        self.ready_us().div_ceil(1_000) <= self.link.now_ms() || closed(&self.link.lock()).is_some()
    }

    fn may_look_ahead(&self, core: &Core) -> bool {
        !core.acks.is_empty() && self.ahead.len() < self.link.server.config.receive_queue_packets_max
    }

    /// Takes acknowledgements that wait behind what the running call's client sent.
    fn look_ahead(&mut self) {
        while self.may_look_ahead(&self.link.lock()) {
            match self.take() {
                Some(Next::Packet(Packet { namespace, body: Body::Ack { id, arguments } })) => {
                    self.acknowledged(&namespace, id, arguments);
                }
                Some(Next::Packet(packet)) => self.ahead.push_back(packet),
                Some(Next::Bare(_)) | None => return,
            }
        }
    }

    fn next(&mut self) -> Option<Next> {
        if let Some(packet) = self.ahead.pop_front() {
            let forgotten = match self.link.lock().session.phase() {
                Phase::Open => false,
                Phase::Closing { why, .. } | Phase::Closed(why) => !why.keeps_received(),
            };
            if !forgotten {
                return Some(Next::Packet(packet));
            }
        }
        self.ahead = VecDeque::new();
        self.take()
    }

    /// Takes a packet off the inbox.
    fn take(&mut self) -> Option<Next> {
        loop {
            let popped = self.link.lock().inbox.pop();
            self.link.post.wake();
            let message = match popped {
                Ok(message) => message?,
                Err(Unreadable) => return self.violation(),
            };
            let now_us = self.link.now_ms() * 1_000;
            self.messages.charge(now_us, 1);
            self.message_bytes.charge(now_us, message.bytes() as u64);
            if self.link.server.is_bare() {
                return Some(Next::Bare(message));
            }
            let decoded = match message {
                Part::Text(text) => self.decoder.text(&text),
                Part::Binary(bytes) => self.decoder.binary(bytes),
            };
            match decoded {
                Ok(Some(packet)) => return Some(Next::Packet(packet)),
                Ok(None) => {}
                Err(PacketError::TooLarge) => {
                    self.link.close(Close::TooLarge, false);
                    return None;
                }
                Err(_) => return self.violation(),
            }
        }
    }

    /// Takes one packet from the client. While a call runs, none is taken.
    fn dispatch(&mut self, Packet { namespace, body }: Packet) {
        let socket = self.sockets.iter().find(|socket| socket.namespace() == namespace).cloned();
        match (body, socket) {
            (Body::Connect(auth), None) => self.connect(&namespace, auth),
            (Body::Disconnect, Some(socket)) => self.leave(socket),
            // Both sides may leave at once.
            (Body::Disconnect, None) => {}
            (Body::Event { id, name, arguments }, Some(socket)) => self.event(socket, id, name, arguments),
            (Body::Ack { id, arguments }, Some(_)) => self.acknowledged(&namespace, id, arguments),
            _ => drop(self.violation()),
        }
    }

    fn violation(&self) -> Option<Next> {
        self.link.close(Close::Violation, false);
        None
    }

    fn acknowledged(&self, namespace: &str, id: u64, arguments: Arguments) {
        if let Some(socket) = self.sockets.iter().find(|socket| socket.namespace() == namespace) {
            self.link.lock().acks.resolve(socket.generation(), id, arguments);
        }
    }

    fn bare(&mut self, message: Part) {
        let Above::Bare(messages) = &self.link.server.above else { return };
        let messages: Arc<dyn Messages> = messages.clone();
        let connection = Connection(self.link.clone());
        let call = async move {
            messages.message(&connection, message).await;
            Outcome::Done
        };
        self.call = Some((Turn::After, Box::pin(call)));
    }

    fn connect(&mut self, name: &str, auth: Option<Map<String, Value>>) {
        let Some(namespace) = self.link.server.namespace(name) else {
            let body = Body::ConnectError(json!({"message": "Invalid namespace"}));
            let refusal = Packet { namespace: name.to_owned().into(), body }.message();
            self.link.change(|core, now_ms| core.session.push(refusal, false, now_ms));
            return;
        };
        let limits = self.link.server.config.queue_limits();
        let generation = self.link.change(|core, _| core.sit(namespace.clone(), limits));
        let socket = Socket::new(self.link.server.new_id(), generation, namespace.clone(), self.link.clone());
        let call = async move {
            match namespace.connect(&socket, auth).await {
                Ok(()) => Outcome::Joined(socket),
                Err(error) => Outcome::Refused(socket, error),
            }
        };
        self.call = Some((Turn::After, Box::pin(call)));
    }

    fn leave(&mut self, socket: Socket) {
        self.sockets.retain(|one| one.generation() != socket.generation());
        self.rise(&socket);
        let call = async move {
            socket.in_namespace().handler.disconnect(&socket, "client namespace disconnect").await;
            Outcome::Done
        };
        self.call = Some((Turn::After, Box::pin(call)));
    }

    fn rise(&self, socket: &Socket) {
        let connect_timeout_ms = self.link.server.config.connect_timeout_ms;
        self.link.change(|core, now_ms| core.rise(socket.generation(), now_ms + connect_timeout_ms));
    }

    fn event(&mut self, socket: Socket, id: Option<u64>, name: String, arguments: Arguments) {
        let turn = if socket.in_namespace().handler.is_pipelined(&name) { Turn::Beside } else { Turn::After };
        let call = async move {
            let answer = socket.in_namespace().handler.event(&socket, &name, arguments).await;
            if let (Some(id), Some(arguments)) = (id, answer) {
                let namespace = socket.in_namespace().name.clone();
                socket.push(Packet { namespace, body: Body::Ack { id, arguments } }.message(), false);
            }
            Outcome::Done
        };
        self.call = Some((turn, Box::pin(call)));
    }

    fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done => {}
            Outcome::Joined(socket) => {
                let mut data = Map::new();
                data.insert("sid".to_owned(), socket.id().into());
                let namespace = socket.in_namespace().name.clone();
                let grant = Packet { namespace, body: Body::Connect(Some(data)) }.message();
                self.link.change(|core, now_ms| {
                    let Some(place) = core.place(socket.generation()) else { return };
                    let seat = std::mem::replace(&mut place.seat, Seat::Taken);
                    if core.session.phase() != &Phase::Open {
                        return;
                    }
                    core.session.outbox().append(grant, false);
                    if let Seat::Deciding(early) = seat
                        && !core.session.outbox().append_all(early)
                    {
                        self.link.close_locked(core, Close::SlowConsumer, false, now_ms);
                    }
                });
                self.sockets.reserve_exact(1);
                self.sockets.push(socket);
            }
            Outcome::Refused(socket, error) => {
                let namespace = socket.in_namespace().name.clone();
                let refusal = Packet { namespace, body: Body::ConnectError(error.payload()) }.message();
                self.rise(&socket);
                self.link.change(|core, now_ms| core.session.push(refusal, false, now_ms));
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

/// A poll that its client's close has overtaken on its way here is still answered.
async fn linger(link: &Link) {
    let owes = poll_fn(|context| {
        link.task.register(context.waker());
        if link.lock().session.owes_poll() { Poll::Pending } else { Poll::Ready(()) }
    });
    // Most clients have no such poll.
    let _ = tokio::time::timeout(Duration::from_millis(link.server.config.close_ms_max), owes).await;
}

fn closed(core: &Core) -> Option<Close> {
    match core.session.phase() {
        Phase::Closed(why) => Some(why.clone()),
        _ => None,
    }
}
