//! [`Link`]: what the task, the requests and the sockets of one session share.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::task::AtomicWaker;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use super::{acks::Acks, front::Inner, handler::Namespace, inbox::Inbox, websocket::WebSocket};
use crate::{
    Encoded,
    engine::{Carrier, Close, Message, Outbox, Phase, Pushed, QueueLimits, Session},
    packet::{Body, Packet},
};

/// Longest value of a remembered header.
const HEADER_BYTES_MAX: usize = 1_024;

/// How far a client's connection to a namespace is.
pub(crate) enum Seat {
    /// The handler is deciding; what it sends meanwhile waits here.
    Deciding(Outbox),
    /// Connected.
    Taken,
}

/// A client's connection to one namespace.
pub(crate) struct Place {
    pub(crate) namespace: Arc<Namespace>,
    /// The number of this connection, so that a socket of an earlier one cannot send in a later one.
    pub(crate) generation: u64,
    pub(crate) seat: Seat,
}

/// The part behind the lock.
pub(crate) struct Core {
    pub(crate) session: Session,
    pub(crate) inbox: Inbox,
    /// A WebSocket that takes over from polling.
    pub(crate) offer: Option<Box<WebSocket>>,
    pub(crate) places: Vec<Place>,
    /// While the client is connected to no namespace, the session is closed at this time.
    pub(crate) connect_by_ms: u64,
    pub(crate) acks: Acks,
    generations: u64,
}

impl Core {
    /// Begins a connection to a namespace; returns its number.
    pub(crate) fn sit(&mut self, namespace: Arc<Namespace>, limits: QueueLimits) -> u64 {
        self.generations += 1;
        let seat = Seat::Deciding(Outbox::new(limits));
        self.places.reserve_exact(1);
        self.places.push(Place { namespace, generation: self.generations, seat });
        self.generations
    }

    pub(crate) fn place(&mut self, generation: u64) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.generation == generation)
    }

    /// Ends a connection to a namespace.
    pub(crate) fn rise(&mut self, generation: u64, connect_by_ms: u64) {
        self.places.retain(|place| place.generation != generation);
        self.connect_by_ms = connect_by_ms;
        self.acks.forget(generation);
    }
}

/// One session.
pub(crate) struct Link {
    pub(crate) server: Arc<Inner>,
    pub(crate) sid: String,
    pub(crate) remote: Option<SocketAddr>,
    headers: Box<[(HeaderName, HeaderValue)]>,
    opened: Instant,
    core: Mutex<Core>,
    /// Wakes the session's task.
    pub(crate) task: AtomicWaker,
    /// Wakes the pending poll.
    pub(crate) poll: AtomicWaker,
    /// Wakes the pending POST.
    pub(crate) post: AtomicWaker,
}

impl Link {
    pub(crate) fn new(
        server: Arc<Inner>,
        sid: String,
        carrier: Carrier,
        remote: Option<SocketAddr>,
        headers: &HeaderMap,
    ) -> Self {
        let config = &server.config;
        let core = Core {
            session: Session::open(config.timing(), config.queue_limits(), carrier, 0),
            inbox: Inbox::new(config.receive_queue_packets_max, config.max_payload_bytes),
            offer: None,
            places: Vec::new(),
            connect_by_ms: config.connect_timeout_ms,
            acks: Acks::default(),
            generations: 0,
        };
        // The values are copied: a clone would pin the whole buffer that the request was read into.
        let copy = |name: &HeaderName| {
            let value = headers.get(name).filter(|value| value.len() <= HEADER_BYTES_MAX)?;
            Some((name.clone(), HeaderValue::from_bytes(value.as_bytes()).ok()?))
        };
        let headers = config.handshake_headers.iter().filter_map(copy).collect();
        Self {
            sid,
            remote,
            headers,
            opened: Instant::now(),
            core: Mutex::new(core),
            task: AtomicWaker::new(),
            poll: AtomicWaker::new(),
            post: AtomicWaker::new(),
            server,
        }
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value)
    }

    /// Milliseconds since the session opened.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment that is this many milliseconds after the opening.
    pub(crate) fn instant(&self, ms: u64) -> Instant {
        self.opened + std::time::Duration::from_millis(ms)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all who wait for a change.
    pub(crate) fn wake(&self) {
        self.task.wake();
        self.poll.wake();
        self.post.wake();
    }

    /// Changes the state and tells all who wait for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Core, u64) -> T) -> T {
        let now_ms = self.now_ms();
        let result = change(&mut self.lock(), now_ms);
        self.wake();
        result
    }

    /// Queues a message of a connection to a namespace. `false`: it will not be sent.
    pub(crate) fn push(&self, generation: u64, message: Message, volatile: bool) -> bool {
        let now_ms = self.now_ms();
        let mut core = self.lock();
        let Some(place) = core.place(generation) else { return false };
        let pushed = match &mut place.seat {
            Seat::Deciding(early) => early.push(message, volatile),
            Seat::Taken => core.session.push(message, volatile, now_ms),
        };
        if pushed == Pushed::Overflow {
            core.session.close(Close::SlowConsumer, now_ms);
            self.say_farewell(&mut core, &Close::SlowConsumer, false);
        }
        self.pushed(core, pushed)
    }

    /// Queues a message of the session itself.
    pub(crate) fn push_bare(&self, message: Message) -> bool {
        let now_ms = self.now_ms();
        let mut core = self.lock();
        let pushed = core.session.push(message, false, now_ms);
        self.pushed(core, pushed)
    }

    fn pushed(&self, core: MutexGuard<'_, Core>, pushed: Pushed) -> bool {
        let polling = core.session.carrier() != Carrier::WebSocket;
        drop(core);
        if pushed != Pushed::Dropped {
            self.task.wake();
            if polling {
                self.poll.wake();
            }
        }
        pushed == Pushed::Queued
    }

    /// Begins to close for the server's own reasons. With `leave`, the client is told to leave the namespace, after which
    /// the usual clients do not come back by themselves.
    pub(crate) fn close(&self, why: Close, leave: bool) {
        self.change(|core, now_ms| self.close_locked(core, why, leave, now_ms));
    }

    pub(crate) fn close_locked(&self, core: &mut Core, why: Close, leave: bool, now_ms: u64) {
        if core.session.phase() == &Phase::Open {
            core.session.close(why.clone(), now_ms);
            self.say_farewell(core, &why, leave);
        }
    }

    fn say_farewell(&self, core: &mut Core, why: &Close, leave: bool) {
        if !why.keeps_received() {
            core.inbox.clear();
        }
        if !matches!(why, Close::Server(_) | Close::SlowConsumer) {
            return;
        }
        let Core { places, session, .. } = core;
        for place in places.iter().filter(|place| matches!(place.seat, Seat::Taken)) {
            let namespace = place.namespace.name.clone();
            let reason = json!({"reason": why.reason()});
            let event = Encoded::in_namespace(namespace.clone(), &self.server.config.farewell_event, reason);
            session.outbox().append(event.message(), false);
            if leave {
                session.outbox().append(Packet { namespace, body: Body::Disconnect }.message(), false);
            }
        }
    }

    /// Lets time pass. Returns when this is next needed.
    pub(crate) fn tick(&self, core: &mut Core, now_ms: u64) -> Option<u64> {
        let reading = core.inbox.has_room();
        core.session.tick(now_ms, reading);
        let mut deadline_ms = core.session.deadline_ms();
        let connect_by_ms = core.connect_by_ms;
        if core.places.is_empty()
            && !self.server.is_bare()
            && core.session.phase() == &Phase::Open
            // What was received but not yet looked at may be the connection that we wait for.
            && core.inbox.is_empty()
        {
            if now_ms >= connect_by_ms {
                self.close_locked(core, Close::ConnectTimeout, false, now_ms);
                deadline_ms = core.session.deadline_ms();
            } else {
                deadline_ms = deadline_ms.map(|deadline| deadline.min(connect_by_ms));
            }
        }
        deadline_ms
    }
}
