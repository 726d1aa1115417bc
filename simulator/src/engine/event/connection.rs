//! One connection: for each end, what is on its way there and when it arrives. Pure: it knows time only as it is told.

use std::{collections::VecDeque, task::Waker};

use tokio::time::Instant;

/// Bytes on their way to one end; a writer waits above it.
pub(super) const WINDOW_BYTES: usize = 256 << 10;

/// What a segment carries.
#[derive(Debug)]
pub(super) enum Payload {
    /// Bytes, and how many of them were read.
    Bytes(Vec<u8>, usize),
    /// The sender will send no more.
    Fin,
}

/// On its way to an end.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) payload: Payload,
    /// When it was first sent.
    pub(super) sent: Instant,
    /// When it arrives; `None` while it is lost and will be sent again.
    pub(super) arrives: Option<Instant>,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    /// The host it is on.
    pub(super) host: usize,
    /// On its way here, in order.
    pub(super) inbox: VecDeque<Segment>,
    pub(super) inbox_bytes: usize,
    /// Latest arrival, which later segments may not overtake.
    pub(super) last_arrival: Option<Instant>,
    /// When a reset arrives here.
    pub(super) reset_at: Option<Instant>,
    /// A process holds it.
    pub(super) open: bool,
    /// Its machine lost power and knows nothing of it.
    pub(super) forgotten: bool,
    /// It said that it sends no more.
    pub(super) finished: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl End {
    pub(super) fn new(host: usize) -> Self {
        Self {
            host,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            last_arrival: None,
            reset_at: None,
            open: true,
            forgotten: false,
            finished: false,
            reader: None,
            writer: None,
        }
    }

    /// A reset arrives no later than this.
    pub(super) fn reset_by(&mut self, at: Instant) {
        self.reset_at = Some(self.reset_at.map_or(at, |before| before.min(at)));
        self.wake();
    }

    pub(super) fn is_reset(&self, now: Instant) -> bool {
        self.reset_at.is_some_and(|at| at <= now)
    }

    /// Whether bytes have arrived that nobody read.
    pub(super) fn has_unread(&self, now: Instant) -> bool {
        self.inbox.iter().any(|s| matches!(s.payload, Payload::Bytes(..)) && s.arrives.is_some_and(|at| at <= now))
    }

    pub(super) fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Puts a segment on its way here.
    pub(super) fn push(&mut self, payload: Payload, sent: Instant, arrives: Option<Instant>) {
        if let Payload::Bytes(bytes, _) = &payload {
            self.inbox_bytes += bytes.len();
        }
        // What comes behind a lost segment waits for it.
        let behind = self.inbox.back().is_some_and(|last| last.arrives.is_none());
        let arrives = arrives.filter(|_| !behind).map(|at| self.last_arrival.map_or(at, |last| last.max(at)));
        if arrives.is_some() {
            self.last_arrival = arrives;
        }
        self.inbox.push_back(Segment { payload, sent, arrives });
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Loses what is in the air; it will be sent again.
    pub(super) fn lose(&mut self, now: Instant) {
        let mut lost = false;
        for segment in &mut self.inbox {
            lost |= segment.arrives.is_none_or(|at| at > now);
            if lost {
                segment.arrives = None;
            }
        }
    }

    /// When the first lost segment was sent.
    pub(super) fn lost_since(&self) -> Option<Instant> {
        self.inbox.iter().find(|s| s.arrives.is_none()).map(|s| s.sent)
    }

    /// Everything that was lost arrives at this time.
    pub(super) fn deliver_lost(&mut self, at: Instant) {
        for segment in self.inbox.iter_mut().filter(|s| s.arrives.is_none()) {
            segment.arrives = Some(at);
        }
        self.last_arrival = Some(at);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Forgets what was lost: its sender is gone.
    pub(super) fn forget_lost(&mut self) {
        self.inbox.retain(|s| s.arrives.is_some());
    }
}
