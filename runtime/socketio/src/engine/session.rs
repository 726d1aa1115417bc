//! One session's state: which transport carries it, heartbeat, upgrade, what is to be sent next, how it ends.

use bytes::Bytes;

use super::{
    handshake::Refusal,
    message::{Message, Part},
    outbox::{Outbox, Pushed, QueueLimits},
    packet::{Kind, SEPARATOR, encode_bytes},
};
use crate::Text;

/// A poll that arrives while a WebSocket is being probed is let go after this time, so that the client's polling comes to
/// rest and the upgrade can go on.
const PROBED_POLL_MS: u64 = 100;

/// Packets in one poll's answer: the usual Python client refuses more than 16.
const POLLED_PACKETS_MAX: usize = 16;

/// Time limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Time between a pong and the next ping.
    pub ping_interval_ms: u64,
    /// Time that a pong may take.
    pub ping_timeout_ms: u64,
    /// Time for the last packets and the closing handshake.
    pub close_ms_max: u64,
}

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Close {
    /// The client said so, or its connection went away.
    Transport,
    /// The client's connection broke, or it spoke out of turn.
    TransportError,
    /// No pong in time.
    PingTimeout,
    /// The client broke the protocol.
    Violation,
    /// The client sent more than `max_payload_bytes` at once.
    TooLarge,
    /// The client did not read fast enough.
    SlowConsumer,
    /// No connection to the namespace in time.
    ConnectTimeout,
    /// The server's own decision.
    Server(String),
}

impl Close {
    /// The reason in words, as handlers and logs see it.
    pub fn reason(&self) -> &str {
        match self {
            Self::Transport => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::Violation => "parse error",
            Self::TooLarge => "payload too large",
            Self::SlowConsumer => "slow_consumer",
            Self::ConnectTimeout => "connect timeout",
            Self::Server(reason) => reason,
        }
    }

    /// Whether the client's earlier packets are still to be handled: it, and not the server, ended the session.
    pub fn keeps_received(&self) -> bool {
        matches!(self, Self::Transport | Self::TransportError | Self::PingTimeout)
    }
}

/// How far a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Running.
    Open,
    /// The last packets are on their way; over at `until_ms` at the latest.
    Closing {
        /// Why.
        why: Close,
        /// When patience ends.
        until_ms: u64,
    },
    /// Over.
    Closed(Close),
}

/// What carries the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Long-polling.
    Polling,
    /// Long-polling, and a WebSocket is being probed.
    Probing,
    /// A WebSocket.
    WebSocket,
}

/// What a packet means to the layer above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A message for it.
    Message,
    /// Nothing.
    Nothing,
}

/// A packet that the client may not send here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unexpected {0:?} packet")]
pub struct Violation(pub Kind);

/// What a WebSocket sends next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireFrame {
    /// A text frame.
    Text(Text),
    /// A binary frame.
    Binary(Bytes),
    /// The closing handshake, with this reason; nothing follows.
    Close(Close),
}

#[derive(Debug, Clone, Copy)]
enum Heartbeat {
    Resting { ping_at_ms: u64 },
    Pinged { pong_by_ms: u64, again_at_ms: u64 },
}

/// The state. Times are milliseconds since it opened.
pub struct Session {
    timing: Timing,
    phase: Phase,
    carrier: Carrier,
    heartbeat: Heartbeat,
    ping_due: bool,
    reading: bool,
    outbox: Outbox,
    poll_pending: bool,
    poll_until_ms: Option<u64>,
    post_pending: bool,
    probe_answered: bool,
    /// The client closed while no poll was pending: the poll that it sent at the same time is still to be answered.
    poll_owed: bool,
}

impl Session {
    /// A session that opens now. The first ping is due after the interval, not at once.
    pub fn open(timing: Timing, limits: QueueLimits, carrier: Carrier, now_ms: u64) -> Self {
        Self {
            timing,
            phase: Phase::Open,
            carrier,
            heartbeat: Heartbeat::Resting { ping_at_ms: now_ms + timing.ping_interval_ms },
            ping_due: false,
            reading: true,
            outbox: Outbox::new(limits),
            poll_pending: false,
            poll_until_ms: None,
            post_pending: false,
            probe_answered: false,
            poll_owed: false,
        }
    }

    /// How far it is.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// What carries it.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// The send queue.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Queues an event. A reader that is too slow for it makes the session close.
    pub fn push(&mut self, message: Message, volatile: bool, now_ms: u64) -> Pushed {
        if self.phase != Phase::Open {
            return Pushed::Dropped;
        }
        let pushed = self.outbox.push(message, volatile);
        if pushed == Pushed::Overflow {
            self.close(Close::SlowConsumer, now_ms);
        }
        pushed
    }

    /// Takes a packet from the client by the transport in use.
    ///
    /// # Errors
    /// The packet may not come from a client: the caller closes the session.
    pub fn receive(&mut self, kind: Kind, now_ms: u64) -> Result<Received, Violation> {
        match kind {
            Kind::Message if self.phase == Phase::Open => return Ok(Received::Message),
            Kind::Message | Kind::Noop => {}
            Kind::Pong => {
                self.ping_due = false;
                self.heartbeat = Heartbeat::Resting { ping_at_ms: now_ms + self.timing.ping_interval_ms };
            }
            Kind::Close => {
                self.poll_owed = self.phase == Phase::Open && self.carrier == Carrier::Polling && !self.poll_pending;
                self.end(Close::Transport);
            }
            Kind::Open | Kind::Ping | Kind::Upgrade => return Err(Violation(kind)),
        }
        Ok(Received::Nothing)
    }

    /// Lets time pass. While the client's packets are left unread on purpose (`reading` is false), its pong cannot be seen
    /// and is not missed; pings go on, for the client misses them.
    pub fn tick(&mut self, now_ms: u64, reading: bool) {
        self.reading = reading;
        let Timing { ping_interval_ms, ping_timeout_ms, .. } = self.timing;
        if let Phase::Closing { why, until_ms } = &self.phase
            && now_ms >= *until_ms
        {
            self.end(why.clone());
        }
        if self.phase != Phase::Open {
            return;
        }
        if let Heartbeat::Resting { ping_at_ms } = self.heartbeat
            && now_ms >= ping_at_ms
        {
            self.ping_due = true;
            self.heartbeat = Heartbeat::Pinged {
                pong_by_ms: ping_at_ms + ping_timeout_ms,
                again_at_ms: ping_at_ms + ping_interval_ms,
            };
        }
        if let Heartbeat::Pinged { pong_by_ms, again_at_ms } = &mut self.heartbeat {
            if !reading {
                *pong_by_ms = now_ms + ping_timeout_ms;
                if now_ms >= *again_at_ms {
                    self.ping_due = true;
                    *again_at_ms = now_ms + ping_interval_ms;
                }
            } else if now_ms >= *pong_by_ms {
                self.end(Close::PingTimeout);
            }
        }
    }

    /// When [`Session::tick`] is next needed.
    pub fn deadline_ms(&self) -> Option<u64> {
        match (&self.phase, self.heartbeat) {
            (Phase::Open, Heartbeat::Resting { ping_at_ms }) => Some(ping_at_ms),
            (Phase::Open, Heartbeat::Pinged { pong_by_ms, .. }) if self.reading => Some(pong_by_ms),
            (Phase::Open, Heartbeat::Pinged { again_at_ms, .. }) => Some(again_at_ms),
            (Phase::Closing { until_ms, .. }, _) => Some(*until_ms),
            (Phase::Closed(_), _) => None,
        }
    }

    /// Begins to close: what is queued is still sent, except to a slow reader, whose queue is thrown away.
    pub fn close(&mut self, why: Close, now_ms: u64) {
        if self.phase != Phase::Open {
            return;
        }
        if why == Close::SlowConsumer {
            self.outbox.clear();
        }
        self.ping_due = false;
        self.phase = Phase::Closing { why, until_ms: now_ms + self.timing.close_ms_max };
    }

    /// Ends at once; the first reason given stays.
    pub fn end(&mut self, why: Close) {
        let why = match std::mem::replace(&mut self.phase, Phase::Closed(Close::Transport)) {
            Phase::Open => why,
            Phase::Closing { why, .. } | Phase::Closed(why) => why,
        };
        self.phase = Phase::Closed(why);
    }

    /// What the WebSocket sends next; `None` until there is something.
    pub fn next_frame(&mut self) -> Option<WireFrame> {
        if matches!(self.phase, Phase::Closed(_)) || self.carrier != Carrier::WebSocket {
            return None;
        }
        if std::mem::take(&mut self.ping_due) {
            return Some(WireFrame::Text(Text::from_static("2")));
        }
        match self.outbox.pop() {
            Some(Part::Text(text)) => return Some(WireFrame::Text(text)),
            Some(Part::Binary(bytes)) => return Some(WireFrame::Binary(bytes)),
            None => {}
        }
        match &self.phase {
            Phase::Closing { why, .. } => Some(WireFrame::Close(why.clone())),
            _ => None,
        }
    }

    /// A poll arrives.
    ///
    /// # Errors
    /// The session is not polling (any more); or another poll is pending, and then the session ends.
    pub fn poll_begin(&mut self, now_ms: u64) -> Result<(), Refusal> {
        if self.carrier == Carrier::WebSocket {
            return Err(Refusal::BadRequest);
        }
        if matches!(self.phase, Phase::Closed(_)) && !std::mem::take(&mut self.poll_owed) {
            return Err(Refusal::SessionUnknown);
        }
        if self.poll_pending {
            self.end(Close::TransportError);
            return Err(Refusal::BadRequest);
        }
        self.poll_pending = true;
        self.poll_until_ms = self.probe_answered.then_some(now_ms + PROBED_POLL_MS);
        Ok(())
    }

    /// What the pending poll answers; `None` until there is something. The answer is at most `bytes_max` long and
    /// 16 packets, or one packet.
    pub fn poll_take(&mut self, now_ms: u64, bytes_max: usize) -> Option<String> {
        let answer = self.poll_answer(now_ms, bytes_max)?;
        self.poll_pending = false;
        self.poll_until_ms = None;
        Some(answer)
    }

    fn poll_answer(&mut self, now_ms: u64, bytes_max: usize) -> Option<String> {
        match &self.phase {
            Phase::Closed(Close::Transport) => return Some("6".to_owned()),
            Phase::Closed(_) => return Some("1".to_owned()),
            _ if self.carrier == Carrier::WebSocket => return Some("6".to_owned()),
            _ => {}
        }
        let mut out = String::new();
        let mut packets = 0;
        if std::mem::take(&mut self.ping_due) {
            out.push('2');
            packets += 1;
        }
        while let Some(next) = self.outbox.next_polled_bytes() {
            let full = packets >= POLLED_PACKETS_MAX || out.len() + 1 + next > bytes_max;
            if full && packets > 0 {
                return Some(out);
            }
            packets += 1;
            if !out.is_empty() {
                out.push(SEPARATOR);
            }
            match self.outbox.pop()? {
                Part::Text(text) => out.push_str(&text),
                Part::Binary(bytes) => encode_bytes(&bytes, &mut out),
            }
        }
        if !out.is_empty() {
            // The close packet never shares an answer: the usual JavaScript client acts on it before the messages that it
            // came with, and would lose them.
            return Some(out);
        }
        if let Phase::Closing { why, .. } = &self.phase {
            self.end(why.clone());
            return Some("1".to_owned());
        }
        if self.poll_until_ms.is_some_and(|until| now_ms >= until) {
            out.push('6');
        }
        (!out.is_empty()).then_some(out)
    }

    /// When [`Session::poll_take`] is to be asked again even if nothing happens.
    pub fn poll_deadline_ms(&self) -> Option<u64> {
        self.poll_until_ms
    }

    /// Whether a closed session waits for one more poll.
    pub fn owes_poll(&self) -> bool {
        self.poll_owed
    }

    /// The pending poll went away unanswered: so did the client.
    pub fn poll_abandoned(&mut self) {
        if std::mem::take(&mut self.poll_pending) {
            self.end(Close::Transport);
        }
    }

    /// A POST arrives.
    ///
    /// # Errors
    /// The session is not polling (any more); or another POST is pending, and then the session ends.
    pub fn post_begin(&mut self) -> Result<(), Refusal> {
        if self.carrier == Carrier::WebSocket {
            return Err(Refusal::BadRequest);
        }
        if matches!(self.phase, Phase::Closed(_)) {
            return Err(Refusal::SessionUnknown);
        }
        if self.post_pending {
            self.end(Close::TransportError);
            return Err(Refusal::BadRequest);
        }
        self.post_pending = true;
        Ok(())
    }

    /// The POST is over.
    pub fn post_end(&mut self) {
        self.post_pending = false;
    }

    /// A WebSocket for this session arrives.
    ///
    /// # Errors
    /// There is one already, or the session is ending.
    pub fn probe_begin(&mut self) -> Result<(), Refusal> {
        if self.phase != Phase::Open || self.carrier != Carrier::Polling {
            return Err(Refusal::BadRequest);
        }
        self.carrier = Carrier::Probing;
        self.probe_answered = false;
        Ok(())
    }

    /// The WebSocket's `2probe` arrived and its answer goes out: a pending poll comes to rest.
    pub fn probe_ping(&mut self, now_ms: u64) {
        self.probe_answered = true;
        if self.poll_pending {
            self.poll_until_ms = Some(now_ms);
        }
    }

    /// The WebSocket went away before it took over.
    pub fn probe_abandoned(&mut self) {
        if self.carrier == Carrier::Probing {
            self.carrier = Carrier::Polling;
            self.probe_answered = false;
        }
    }

    /// The WebSocket's `5` arrived: it carries the session from now on. `false` when the session ended meanwhile.
    pub fn upgrade(&mut self) -> bool {
        let ready = self.carrier == Carrier::Probing && self.probe_answered && self.phase == Phase::Open;
        if ready {
            self.carrier = Carrier::WebSocket;
        }
        ready
    }
}

#[cfg(test)]
mod tests;
