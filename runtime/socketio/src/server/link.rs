//! [`Link`]: what the task, the requests and the sockets of one session share.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::task::AtomicWaker;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use super::{front::Inner, inbox::Inbox, websocket::WebSocket};
use crate::{
    Encoded, Text,
    engine::{Carrier, Close, Phase, Pushed, Session},
};

/// Longest value of a remembered header.
const HEADER_BYTES_MAX: usize = 1_024;

/// Whether the client is connected to the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// Not yet or not any more; the session is closed at this time.
    Empty { connect_by_ms: u64 },
    /// The handler is deciding.
    Deciding,
    /// It is.
    Taken,
}

/// The part behind the lock.
pub(crate) struct Core {
    pub(crate) session: Session,
    pub(crate) inbox: Inbox,
    /// A WebSocket that takes over from polling.
    pub(crate) offer: Option<Box<WebSocket>>,
    pub(crate) seat: Seat,
    /// Counts connections to the namespace, so that a socket of an earlier one cannot send in a later one.
    pub(crate) generation: u64,
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
            seat: Seat::Empty { connect_by_ms: config.connect_timeout_ms },
            generation: 0,
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

    /// Queues a packet of a connection to the namespace. `false`: it will not be sent.
    pub(crate) fn push(&self, generation: u64, text: Text, volatile: bool) -> bool {
        let now_ms = self.now_ms();
        let mut core = self.lock();
        if core.generation != generation || matches!(core.seat, Seat::Empty { .. }) {
            return false;
        }
        let pushed = core.session.push(text, volatile, now_ms);
        if pushed == Pushed::Overflow {
            self.say_farewell(&mut core, &Close::SlowConsumer, false);
        }
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
        if core.seat != Seat::Taken || !matches!(why, Close::Server(_) | Close::SlowConsumer) {
            return;
        }
        let event = Encoded::event(&self.server.config.farewell_event, &json!({"reason": why.reason()}));
        core.session.outbox().append(event.text(), false);
        if leave {
            core.session.outbox().append(Text::from_static("41"), false);
        }
    }

    /// Lets time pass. Returns when this is next needed.
    pub(crate) fn tick(&self, core: &mut Core, now_ms: u64) -> Option<u64> {
        let reading = core.inbox.has_room();
        core.session.tick(now_ms, reading);
        let mut deadline_ms = core.session.deadline_ms();
        if let Seat::Empty { connect_by_ms } = core.seat
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
