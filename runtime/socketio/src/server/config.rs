//! What a server may be told. It decides nothing.

use http::{HeaderMap, HeaderName, header};

use crate::{
    engine::{QueueLimits, RateLimit, Timing},
    packet::PacketLimits,
};

/// Which browser origins may connect. A request without `Origin` (not from a browser) and one from the server's own host
/// always may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All, without credentials.
    Any,
    /// These, written as browsers do: `https://app.example.com`.
    These(Vec<String>),
}

impl Origins {
    /// Whether a request with these headers may connect.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match self {
            Self::Any => true,
            Self::These(list) => {
                list.iter().any(|one| one == origin)
                    || origin.split_once("://").is_some_and(|(_, host)| Some(host) == own)
            }
        }
    }
}

/// Configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name, the part of a session id before the dot: a balancer routes by it. Letters, digits, `-` and `_`.
    pub node: String,
    /// Where the server is mounted, without a slash at the end.
    pub path: String,
    /// Time between a pong and the next ping.
    pub ping_interval_ms: u64,
    /// Time that a pong may take.
    pub ping_timeout_ms: u64,
    /// Time between the session's opening and the connection to the namespace.
    pub connect_timeout_ms: u64,
    /// Time that a probed WebSocket has to take over.
    pub upgrade_timeout_ms: u64,
    /// Time for a closing session's last packets.
    pub close_ms_max: u64,
    /// Largest payload or frame read from a client; an event with its binary parts is no larger either.
    pub max_payload_bytes: usize,
    /// Binary parts of one event.
    pub attachments_max: usize,
    /// Arrays and objects of one event: each takes many times its size on the wire while it is handled.
    pub containers_max: usize,
    /// Messages of one client. One that is faster is read later, and loses nothing.
    pub messages: RateLimit,
    /// Bytes of one client's messages. One that is faster is read later.
    pub message_bytes: RateLimit,
    /// Bytes queued for one client before it counts as too slow.
    pub send_queue_bytes_max: usize,
    /// Packets queued for one client before it counts as too slow.
    pub send_queue_packets_max: usize,
    /// Packets of one client that wait for their handler before no more are read.
    pub receive_queue_packets_max: usize,
    /// Open sessions; more are answered 503 with `Retry-After`.
    pub sessions_max: usize,
    /// New sessions; more are answered 503 with `Retry-After`, so that a herd that comes back does not crush the node.
    pub admission: RateLimit,
    /// Which browser origins may connect.
    pub origins: Origins,
    /// Whether browsers may send cookies with requests of [`Origins::These`].
    pub credentials: bool,
    /// Headers of the opening request that a socket remembers (each at most 1 KiB).
    pub handshake_headers: Vec<HeaderName>,
    /// Name of the event `{"reason": …}` that a connected client is sent before the server closes it.
    pub farewell_event: String,
    /// When a node shuts down, each client is told in an event `drain` `{"after_ms": …}` to come back after a random time
    /// below this; with 0 it is not told.
    pub reconnect_spread_ms_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: "node".to_owned(),
            path: "/socket.io".to_owned(),
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: 10_000,
            upgrade_timeout_ms: 10_000,
            close_ms_max: 1_000,
            max_payload_bytes: 1_000_000,
            attachments_max: 64,
            containers_max: 20_000,
            messages: RateLimit { per_second_max: 1_000, burst_max: 2_000 },
            message_bytes: RateLimit { per_second_max: 4 << 20, burst_max: 16 << 20 },
            send_queue_bytes_max: 1 << 20,
            send_queue_packets_max: 4_096,
            receive_queue_packets_max: 64,
            sessions_max: 100_000,
            admission: RateLimit { per_second_max: 2_000, burst_max: 4_000 },
            origins: Origins::Any,
            credentials: true,
            handshake_headers: vec![header::USER_AGENT, HeaderName::from_static("x-forwarded-for")],
            farewell_event: "kick".to_owned(),
            reconnect_spread_ms_max: 2_000,
        }
    }
}

impl Config {
    pub(crate) fn timing(&self) -> Timing {
        Timing {
            ping_interval_ms: self.ping_interval_ms,
            ping_timeout_ms: self.ping_timeout_ms,
            close_ms_max: self.close_ms_max,
        }
    }

    pub(crate) fn packet_limits(&self) -> PacketLimits {
        PacketLimits {
            bytes_max: self.max_payload_bytes,
            attachments_max: self.attachments_max,
            containers_max: self.containers_max,
        }
    }

    pub(crate) fn queue_limits(&self) -> QueueLimits {
        QueueLimits { bytes_max: self.send_queue_bytes_max, packets_max: self.send_queue_packets_max }
    }
}
