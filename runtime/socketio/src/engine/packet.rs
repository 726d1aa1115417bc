//! The packet codec and the payload of long-polling. It keeps no state.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Stands between the packets of one long-polling payload.
pub const SEPARATOR: char = '\u{1e}';

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Server to client: the session is open.
    Open,
    /// The session ends.
    Close,
    /// Server to client: are you there? With `probe`, client to server: does this WebSocket work?
    Ping,
    /// The answer to a ping.
    Pong,
    /// Data.
    Message,
    /// Client to server: from now on by this WebSocket.
    Upgrade,
    /// Nothing: ends a pending poll.
    Noop,
}

impl Kind {
    const ALL: [Self; 7] = [Self::Open, Self::Close, Self::Ping, Self::Pong, Self::Message, Self::Upgrade, Self::Noop];

    /// The character it is written as.
    pub fn digit(self) -> char {
        match self {
            Self::Open => '0',
            Self::Close => '1',
            Self::Ping => '2',
            Self::Pong => '3',
            Self::Message => '4',
            Self::Upgrade => '5',
            Self::Noop => '6',
        }
    }

    /// The kind that a character stands for.
    pub fn from_digit(digit: u8) -> Option<Self> {
        Self::ALL.get(usize::from(digit.checked_sub(b'0')?)).copied()
    }
}

/// One packet. Binary packets are always messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A kind and its text.
    Text(Kind, Cow<'a, str>),
    /// A message of bytes: a WebSocket binary frame, or `b` and base64 in a payload.
    Binary(Vec<u8>),
}

/// Why a text is not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Empty, or the first character is no kind.
    #[error("unknown packet type")]
    Kind,
    /// What follows `b` is not base64.
    #[error("invalid base64")]
    Base64,
}

impl<'a> Packet<'a> {
    /// Reads a WebSocket text frame or one part of a long-polling payload.
    ///
    /// # Errors
    /// See [`PacketError`]; the receiver closes the session.
    pub fn decode(text: &'a str) -> Result<Self, PacketError> {
        match text.as_bytes().first() {
            Some(b'b') => decode_bytes(&text[1..]).map(Packet::Binary),
            Some(&digit) => {
                let kind = Kind::from_digit(digit).ok_or(PacketError::Kind)?;
                Ok(Packet::Text(kind, Cow::Borrowed(&text[1..])))
            }
            None => Err(PacketError::Kind),
        }
    }

    /// Writes a part of a long-polling payload (and, for text, a WebSocket text frame).
    pub fn encode(&self) -> String {
        match self {
            Packet::Text(kind, text) => format!("{}{text}", kind.digit()),
            Packet::Binary(bytes) => {
                let mut out = String::new();
                encode_bytes(bytes, &mut out);
                out
            }
        }
    }
}

/// Reads what follows the `b` of a binary packet in a long-polling payload.
///
/// # Errors
/// [`PacketError::Base64`].
pub fn decode_bytes(text: &str) -> Result<Vec<u8>, PacketError> {
    STANDARD.decode(text).map_err(|_| PacketError::Base64)
}

/// Writes a binary packet of a long-polling payload.
pub fn encode_bytes(bytes: &[u8], out: &mut String) {
    out.push('b');
    STANDARD.encode_string(bytes, out);
}

/// The packets of a long-polling payload, in order.
pub fn split(payload: &str) -> impl Iterator<Item = Result<Packet<'_>, PacketError>> {
    payload.split(SEPARATOR).map(Packet::decode)
}

/// A long-polling payload of these packets.
pub fn join(packets: &[Packet<'_>]) -> String {
    packets.iter().map(Packet::encode).collect::<Vec<_>>().join("\u{1e}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(kind: Kind, data: &str) -> Packet<'_> {
        Packet::Text(kind, Cow::Borrowed(data))
    }

    #[test]
    fn examples_of_the_protocol_text() {
        let payload = "4hello\u{1e}2\u{1e}4world";
        let packets = [text(Kind::Message, "hello"), text(Kind::Ping, ""), text(Kind::Message, "world")];
        assert_eq!(split(payload).collect::<Result<Vec<_>, _>>().as_deref(), Ok(&packets[..]));
        assert_eq!(join(&packets), payload);
        let payload = "4hello\u{1e}bAQIDBA==";
        let packets = [text(Kind::Message, "hello"), Packet::Binary(vec![1, 2, 3, 4])];
        assert_eq!(split(payload).collect::<Result<Vec<_>, _>>().as_deref(), Ok(&packets[..]));
        assert_eq!(join(&packets), payload);
    }

    #[test]
    fn refuses_unknown_kinds_and_bad_base64() {
        for bad in ["", "7", "abc", "é", "/"] {
            assert_eq!(Packet::decode(bad), Err(PacketError::Kind), "{bad}");
        }
        assert_eq!(Packet::decode("b*"), Err(PacketError::Base64));
    }

    fn any_packet() -> impl Strategy<Value = Packet<'static>> {
        let data = any::<String>().prop_map(|s| s.replace(SEPARATOR, ""));
        prop_oneof![
            (prop::sample::select(&Kind::ALL[..]), data).prop_map(|(kind, data)| Packet::Text(kind, Cow::Owned(data))),
            prop::collection::vec(any::<u8>(), 0..32).prop_map(Packet::Binary),
        ]
    }

    proptest! {
        #[test]
        fn every_payload_survives_the_wire(packets in prop::collection::vec(any_packet(), 1..8)) {
            let payload = join(&packets);
            let read = split(&payload).collect::<Result<Vec<_>, _>>();
            prop_assert_eq!(read, Ok(packets));
        }

        #[test]
        fn garbage_is_refused_or_read_but_never_breaks(payload in any::<String>()) {
            for part in split(&payload) {
                let _ = part;
            }
        }
    }
}
