//! The one task of a connected client: it owns the WebSocket, answers pings and pairs acknowledgements.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use archgen_env::net::BoxStream;
use futures_util::{Sink, Stream};
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, Utf8Bytes},
};

use super::Event;
use crate::packet::{Body, MAIN_NAMESPACE, Packet};

/// Frames that wait to be written before no more commands are taken.
const OUTGOING_MAX: usize = 64;
/// Acknowledgements waited for before those that nobody waits for any more are forgotten.
const ACKS_KEPT: usize = 256;
/// Time to write the last frames.
const LEAVE_MS_MAX: u64 = 1_000;

/// What a handle asks of the task.
#[derive(Debug)]
pub(super) enum Command {
    Emit { name: String, arguments: Vec<Value>, ack: Option<oneshot::Sender<Vec<Value>>> },
    Leave,
}

/// What a step of the WebSocket gave.
enum Step {
    Text(Utf8Bytes),
    Lost(&'static str),
    /// There is room for commands again.
    Room,
}

struct Wire {
    socket: WebSocketStream<BoxStream>,
    outgoing: VecDeque<Message>,
    unflushed: bool,
}

impl Wire {
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        let mut socket = Pin::new(&mut self.socket);
        while !self.outgoing.is_empty() {
            match socket.as_mut().poll_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err("transport error")),
                Poll::Pending => return Poll::Pending,
            }
            let Some(frame) = self.outgoing.pop_front() else { break };
            self.unflushed = true;
            if socket.as_mut().start_send(frame).is_err() {
                return Poll::Ready(Err("transport error"));
            }
        }
        if self.unflushed {
            match socket.poll_flush(context) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Poll::Ready(Err("transport error")),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll(&mut self, read: bool, context: &mut Context<'_>) -> Poll<Step> {
        // What arrived before a break is still read: a write that fails does not hide the server's last words.
        let was_full = self.outgoing.len() >= OUTGOING_MAX;
        let broken = matches!(self.poll_write(context), Poll::Ready(Err(_)));
        if was_full && self.outgoing.len() < OUTGOING_MAX {
            return Poll::Ready(Step::Room);
        }
        if read {
            loop {
                match Pin::new(&mut self.socket).poll_next(context) {
                    Poll::Ready(Some(Ok(Message::Text(text)))) => return Poll::Ready(Step::Text(text)),
                    Poll::Ready(Some(Ok(Message::Binary(_)))) => return Poll::Ready(Step::Lost("parse error")),
                    Poll::Ready(Some(Ok(_))) => self.unflushed = true,
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Step::Lost("transport error")),
                    Poll::Ready(None) => return Poll::Ready(Step::Lost("transport close")),
                    Poll::Pending => break,
                }
            }
        }
        if broken { Poll::Ready(Step::Lost("transport error")) } else { Poll::Pending }
    }
}

/// The state of the task.
pub(super) struct Running {
    wire: Wire,
    silence_ms_max: u64,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    acks: BTreeMap<u64, oneshot::Sender<Vec<Value>>>,
    next_id: u64,
}

impl Running {
    pub(super) fn new(
        socket: WebSocketStream<BoxStream>,
        silence_ms_max: u64,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let wire = Wire { socket, outgoing: VecDeque::new(), unflushed: false };
        Self { wire, silence_ms_max, commands, events, acks: BTreeMap::new(), next_id: 0 }
    }

    pub(super) async fn run(mut self) {
        let reason = self.serve().await.to_owned();
        self.acks.clear();
        self.commands.close();
        // Frames already queued still go out; whoever left does not wait for them for ever.
        let flush = poll_fn(|context| self.wire.poll_write(context));
        let _ = tokio::time::timeout(Duration::from_millis(LEAVE_MS_MAX), flush).await;
        drop(self.wire);
        let _ = self.events.send(Event::Disconnected { reason }).await;
    }

    async fn serve(&mut self) -> &'static str {
        let silence = Duration::from_millis(self.silence_ms_max);
        let mut deadline = Instant::now() + silence;
        let mut waiting: Option<Event> = None;
        let events = self.events.clone();
        loop {
            let read = waiting.is_none();
            tokio::select! {
                biased;
                room = events.reserve(), if !read => {
                    // Where nobody reads events any more, acknowledgements may still be of interest.
                    if let (Ok(room), Some(event)) = (room, waiting.take()) {
                        room.send(event);
                    }
                }
                step = poll_fn(|context| self.wire.poll(read, context)) => match step {
                    Step::Text(text) if text == "2" => {
                        deadline = Instant::now() + silence;
                        self.wire.outgoing.push_back(Message::Text(Utf8Bytes::from_static("3")));
                    }
                    Step::Text(text) => match self.receive(&text) {
                        Ok(event) => waiting = event,
                        Err(reason) => return reason,
                    },
                    Step::Room => {}
                    Step::Lost(reason) => return reason,
                },
                command = self.commands.recv(), if self.wire.outgoing.len() < OUTGOING_MAX => match command {
                    Some(Command::Emit { name, arguments, ack }) => self.emit(name, arguments, ack),
                    Some(Command::Leave) | None => {
                        self.wire.outgoing.push_back(Message::text("41"));
                        self.wire.outgoing.push_back(Message::Close(None));
                        return "io client disconnect";
                    }
                },
                () = tokio::time::sleep_until(deadline), if read => return "ping timeout",
            }
        }
    }

    fn emit(&mut self, name: String, arguments: Vec<Value>, ack: Option<oneshot::Sender<Vec<Value>>>) {
        let id = ack.map(|ack| {
            if self.acks.len() >= ACKS_KEPT {
                self.acks.retain(|_, ack| !ack.is_closed());
            }
            self.next_id += 1;
            self.acks.insert(self.next_id, ack);
            self.next_id
        });
        let packet = Packet::main(Body::Event { id, name, arguments: arguments.into() });
        self.wire.outgoing.push_back(Message::text(packet.encode()));
    }

    fn receive(&mut self, text: &str) -> Result<Option<Event>, &'static str> {
        match text.as_bytes().first() {
            Some(b'4') => {}
            Some(b'1') => return Err("transport close"),
            Some(b'6') => return Ok(None),
            _ => return Err("parse error"),
        }
        let packet = Packet::decode(&text[1..]).map_err(|_| "parse error")?;
        if packet.namespace != MAIN_NAMESPACE {
            return Ok(None);
        }
        match packet.body {
            Body::Event { name, arguments, .. } => Ok(Some(Event::Message { name, arguments: arguments.values })),
            Body::Ack { id, arguments } => {
                if let Some(ack) = self.acks.remove(&id) {
                    // Whoever asked may have stopped waiting.
                    let _ = ack.send(arguments.values);
                }
                Ok(None)
            }
            Body::Disconnect => Err("io server disconnect"),
            Body::Connect(_) | Body::ConnectError(_) => Err("parse error"),
        }
    }
}
