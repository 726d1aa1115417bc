//! The Socket.IO v5 packet codec: text of one Engine.IO message to [`Packet`] and back. It keeps no state.
//!
//! Binary packets are recognised (so that they can be refused by name) but their attachments are not put together.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The namespace that every connection starts in.
pub const MAIN_NAMESPACE: &str = "/";

/// Longest namespace accepted, in bytes.
const NAMESPACE_BYTES_MAX: usize = 128;

/// Names that the reference implementation keeps for itself; a peer may not send them as events.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// One packet of a namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// `/` or `/name`.
    pub namespace: Cow<'static, str>,
    /// What it says.
    pub body: Body,
}

/// What a packet says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Type 0: a client asks for the namespace (with its credentials), the server grants it (with the socket's id).
    Connect(Option<Map<String, Value>>),
    /// Type 1: one side leaves the namespace.
    Disconnect,
    /// Type 2.
    Event {
        /// Present where the sender wants an acknowledgement.
        id: Option<u64>,
        /// The event's name.
        name: String,
        /// Its arguments.
        arguments: Vec<Value>,
    },
    /// Type 3.
    Ack {
        /// The id of the event acknowledged.
        id: u64,
        /// The answer.
        arguments: Vec<Value>,
    },
    /// Type 4: the namespace is refused.
    ConnectError(Value),
    /// Types 5 and 6: an event or acknowledgement whose binary parts follow in messages of their own.
    Binary {
        /// Number of binary parts that follow.
        attachments: u64,
    },
}

/// Why a text is not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Empty, or the first character is no type.
    #[error("unknown packet type")]
    Type,
    /// The count of attachments is missing or not a number.
    #[error("invalid attachment count")]
    Attachments,
    /// Too long.
    #[error("namespace longer than {NAMESPACE_BYTES_MAX} bytes")]
    Namespace,
    /// Larger than 64 bits, or missing where it must be present.
    #[error("invalid acknowledgement id")]
    Id,
    /// Not JSON, nested deeper than 127 levels, or not the shape that the type asks for.
    #[error("invalid payload")]
    Payload,
    /// A name that is kept for the protocol.
    #[error("reserved event name")]
    Reserved,
}

impl Packet {
    /// A packet of the main namespace.
    pub fn main(body: Body) -> Self {
        Self { namespace: Cow::Borrowed(MAIN_NAMESPACE), body }
    }

    /// Reads the text of one Engine.IO message (without its `4`).
    ///
    /// # Errors
    /// See [`PacketError`]; the receiver closes the connection.
    pub fn decode(text: &str) -> Result<Self, PacketError> {
        let kind = *text.as_bytes().first().ok_or(PacketError::Type)?;
        if !(b'0'..=b'6').contains(&kind) {
            return Err(PacketError::Type);
        }
        let mut rest = &text[1..];
        let mut attachments = 0;
        if kind >= b'5' {
            let (count, after) = rest.split_once('-').ok_or(PacketError::Attachments)?;
            attachments = digits(count).ok_or(PacketError::Attachments)?;
            rest = after;
        }
        let namespace = take_namespace(&mut rest)?;
        let id_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, payload) = rest.split_at(id_len);
        let id = if id.is_empty() { None } else { Some(digits(id).ok_or(PacketError::Id)?) };
        let body = match kind {
            b'0' => Body::Connect(if payload.is_empty() { None } else { Some(object(payload)?) }),
            b'1' if payload.is_empty() => Body::Disconnect,
            b'1' => return Err(PacketError::Payload),
            b'2' => event(id, array(payload)?)?,
            b'3' => Body::Ack { id: id.ok_or(PacketError::Id)?, arguments: array(payload)? },
            b'4' => Body::ConnectError(match serde_json::from_str(payload) {
                Ok(value @ (Value::Object(_) | Value::String(_))) => value,
                _ => return Err(PacketError::Payload),
            }),
            _ => {
                array(payload)?;
                Body::Binary { attachments }
            }
        };
        Ok(Self { namespace, body })
    }

    /// Writes the text of one Engine.IO message, `4` included. A [`Body::Binary`] is written with an empty payload.
    pub fn encode(&self) -> String {
        let mut out = String::from("4");
        let kind = match &self.body {
            Body::Connect(_) => '0',
            Body::Disconnect => '1',
            Body::Event { .. } => '2',
            Body::Ack { .. } => '3',
            Body::ConnectError(_) => '4',
            Body::Binary { .. } => '5',
        };
        out.push(kind);
        if let Body::Binary { attachments } = &self.body {
            out.push_str(&attachments.to_string());
            out.push('-');
        }
        if self.namespace != MAIN_NAMESPACE {
            out.push_str(&self.namespace);
            out.push(',');
        }
        match &self.body {
            Body::Connect(None) | Body::Disconnect => {}
            Body::Connect(Some(data)) => out.push_str(&Value::Object(data.clone()).to_string()),
            Body::Event { id, name, arguments } => {
                if let Some(id) = id {
                    out.push_str(&id.to_string());
                }
                write_array(&mut out, Some(name), arguments);
            }
            Body::Ack { id, arguments } => {
                out.push_str(&id.to_string());
                write_array(&mut out, None, arguments);
            }
            Body::ConnectError(data) => out.push_str(&data.to_string()),
            Body::Binary { .. } => out.push_str("[]"),
        }
        out
    }
}

fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Takes `/name,` off the front; a query string in it is dropped, as the reference implementation does.
fn take_namespace(rest: &mut &str) -> Result<Cow<'static, str>, PacketError> {
    if !rest.starts_with('/') {
        return Ok(Cow::Borrowed(MAIN_NAMESPACE));
    }
    let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
    *rest = after;
    let name = name.split_once('?').map_or(name, |(name, _)| name);
    match name.len() {
        1 => Ok(Cow::Borrowed(MAIN_NAMESPACE)),
        2..=NAMESPACE_BYTES_MAX => Ok(Cow::Owned(name.to_owned())),
        _ => Err(PacketError::Namespace),
    }
}

fn object(payload: &str) -> Result<Map<String, Value>, PacketError> {
    serde_json::from_str(payload).map_err(|_| PacketError::Payload)
}

fn array(payload: &str) -> Result<Vec<Value>, PacketError> {
    serde_json::from_str(payload).map_err(|_| PacketError::Payload)
}

fn event(id: Option<u64>, mut arguments: Vec<Value>) -> Result<Body, PacketError> {
    if arguments.is_empty() {
        return Err(PacketError::Payload);
    }
    let Value::String(name) = arguments.remove(0) else { return Err(PacketError::Payload) };
    if RESERVED.contains(&name.as_str()) {
        return Err(PacketError::Reserved);
    }
    Ok(Body::Event { id, name, arguments })
}

fn write_array(out: &mut String, name: Option<&str>, arguments: &[Value]) {
    out.push('[');
    if let Some(name) = name {
        out.push_str(&Value::from(name).to_string());
    }
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 || name.is_some() {
            out.push(',');
        }
        out.push_str(&argument.to_string());
    }
    out.push(']');
}

#[cfg(test)]
mod tests;
