//! What a session opens with and what a refused request is told.

use serde_json::{Value, json};

/// The payload of the open packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The session's id: a secret between client and server.
    pub sid: String,
    /// Whether the client may go on to a WebSocket.
    pub upgradable: bool,
    /// Time between pings.
    pub ping_interval_ms: u64,
    /// Time that a pong may take.
    pub ping_timeout_ms: u64,
    /// Largest payload or frame that the server reads.
    pub max_payload_bytes: usize,
}

impl Open {
    /// The open packet.
    pub fn encode(&self) -> String {
        let upgrades: &[&str] = if self.upgradable { &["websocket"] } else { &[] };
        let payload = json!({
            "sid": self.sid,
            "upgrades": upgrades,
            "pingInterval": self.ping_interval_ms,
            "pingTimeout": self.ping_timeout_ms,
            "maxPayload": self.max_payload_bytes,
        });
        format!("0{payload}")
    }

    /// Reads an open packet, as a client does; `None` where it is none.
    pub fn decode(packet: &str) -> Option<Self> {
        let payload: Value = serde_json::from_str(packet.strip_prefix('0')?).ok()?;
        let upgrades = payload.get("upgrades").and_then(Value::as_array);
        Some(Self {
            sid: payload.get("sid")?.as_str()?.to_owned(),
            upgradable: upgrades.is_some_and(|all| all.iter().any(|one| one == "websocket")),
            ping_interval_ms: payload.get("pingInterval")?.as_u64()?,
            ping_timeout_ms: payload.get("pingTimeout")?.as_u64()?,
            max_payload_bytes: usize::try_from(payload.get("maxPayload")?.as_u64()?).ok()?,
        })
    }
}

/// Why a request is refused; the numbers are the reference implementation's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 0: neither `polling` nor `websocket`, or not the one in use.
    TransportUnknown,
    /// 1: no such session (any more).
    SessionUnknown,
    /// 2: a session opens with GET.
    Method,
    /// 3: malformed, or not allowed in the session's state.
    BadRequest,
    /// 4: the origin is not allowed.
    Forbidden,
    /// 5: not version 4 of the protocol.
    Version,
}

impl Refusal {
    /// The answer's status.
    pub fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            _ => 400,
        }
    }

    /// The answer's body.
    pub fn body(self) -> String {
        let (code, message) = match self {
            Self::TransportUnknown => (0, "Transport unknown"),
            Self::SessionUnknown => (1, "Session ID unknown"),
            Self::Method => (2, "Bad handshake method"),
            Self::BadRequest => (3, "Bad request"),
            Self::Forbidden => (4, "Forbidden"),
            Self::Version => (5, "Unsupported protocol version"),
        };
        json!({"code": code, "message": message}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_packet_reads_back() {
        let open = Open {
            sid: "n1.x".into(),
            upgradable: true,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            max_payload_bytes: 1_000_000,
        };
        let text =
            r#"0{"sid":"n1.x","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        assert_eq!(open.encode(), text);
        assert_eq!(Open::decode(text), Some(open));
        assert_eq!(Open::decode("0{}"), None);
        assert_eq!(Open::decode("1"), None);
    }

    #[test]
    fn version_3_is_refused_in_the_protocols_words() {
        assert_eq!(Refusal::Version.body(), r#"{"code":5,"message":"Unsupported protocol version"}"#);
    }
}
