//! The Socket.IO v5 packet codec: Engine.IO messages to [`Packet`] and back. Only [`Decoder`] keeps state, between the messages of
//! one binary packet.

mod arguments;
mod decoder;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use arguments::Arguments;
pub use decoder::{Decoder, PacketLimits};

use crate::engine::{Message, Part};

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
    /// Type 2; type 5 with binary parts.
    Event {
        /// Present where the sender wants an acknowledgement.
        id: Option<u64>,
        /// The event's name.
        name: String,
        /// Its arguments.
        arguments: Arguments,
    },
    /// Type 3; type 6 with binary parts.
    Ack {
        /// The id of the event acknowledged.
        id: u64,
        /// The answer.
        arguments: Arguments,
    },
    /// Type 4: the namespace is refused.
    ConnectError(Value),
}

/// Why a text is not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Empty, or the first character is no type.
    #[error("unknown packet type")]
    Type,
    /// The count of attachments is missing, not a number or too large, or a placeholder stands for none of them.
    #[error("invalid attachments")]
    Attachments,
    /// A text where a binary part must follow.
    #[error("text before the last binary part")]
    Incomplete,
    /// A binary part that no text announced.
    #[error("binary part without a text")]
    Unasked,
    /// The text and its binary parts together are larger than allowed, or it has too many arrays and objects.
    #[error("packet too large")]
    TooLarge,
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

    /// Reads a packet of one text message (without its `4`).
    ///
    /// # Errors
    /// See [`PacketError`]; a packet with binary parts is [`PacketError::Incomplete`].
    pub fn decode(text: &str) -> Result<Self, PacketError> {
        match Self::decode_head(text, usize::MAX)? {
            (packet, 0) => Ok(packet),
            _ => Err(PacketError::Incomplete),
        }
    }

    /// Reads the text of a packet, whose attachments are still to come; returns how many.
    fn decode_head(text: &str, containers_max: usize) -> Result<(Self, usize), PacketError> {
        let kind = *text.as_bytes().first().ok_or(PacketError::Type)?;
        if !(b'0'..=b'6').contains(&kind) {
            return Err(PacketError::Type);
        }
        let mut rest = &text[1..];
        let mut attachments = 0;
        if kind >= b'5' {
            let (count, after) = rest.split_once('-').ok_or(PacketError::Attachments)?;
            let count = digits(count).and_then(|count| usize::try_from(count).ok());
            attachments = count.ok_or(PacketError::Attachments)?;
            rest = after;
        }
        let namespace = take_namespace(&mut rest)?;
        let id_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, payload) = rest.split_at(id_len);
        let id = if id.is_empty() { None } else { Some(digits(id).ok_or(PacketError::Id)?) };
        if has_more_containers(payload, containers_max) {
            return Err(PacketError::TooLarge);
        }
        let body = match kind {
            b'0' => Body::Connect(if payload.is_empty() { None } else { Some(object(payload)?) }),
            b'1' if payload.is_empty() => Body::Disconnect,
            b'1' => return Err(PacketError::Payload),
            b'2' | b'5' => event(id, array(payload)?)?,
            b'3' | b'6' => Body::Ack { id: id.ok_or(PacketError::Id)?, arguments: array(payload)?.into() },
            _ => Body::ConnectError(match serde_json::from_str(payload) {
                Ok(value @ (Value::Object(_) | Value::String(_))) => value,
                _ => return Err(PacketError::Payload),
            }),
        };
        if let Body::Event { arguments, .. } | Body::Ack { arguments, .. } = &body
            && kind >= b'5'
            && !arguments::placeholders_fit(&arguments.values, attachments)
        {
            return Err(PacketError::Attachments);
        }
        Ok((Self { namespace, body }, attachments))
    }

    /// Writes the text message of a packet, its `4` included; the attachments follow it.
    pub fn encode(&self) -> String {
        let namespace = &*self.namespace;
        match &self.body {
            Body::Connect(data) => {
                let mut out = head('0', namespace, 0, None);
                data.iter().for_each(|data| write_json(&mut out, data));
                out
            }
            Body::Disconnect => head('1', namespace, 0, None),
            Body::Event { id, name, arguments } => {
                event_text(namespace, *id, name, &arguments.values, arguments.attachments.len())
            }
            Body::Ack { id, arguments } => {
                let attachments = arguments.attachments.len();
                let mut out = head(if attachments > 0 { '6' } else { '3' }, namespace, attachments, Some(*id));
                write_array(&mut out, None, &arguments.values);
                out
            }
            Body::ConnectError(data) => {
                let mut out = head('4', namespace, 0, None);
                write_json(&mut out, data);
                out
            }
        }
    }

    /// The packet as it is sent: its text, then its attachments.
    pub fn message(&self) -> Message {
        let attachments = match &self.body {
            Body::Event { arguments, .. } | Body::Ack { arguments, .. } => arguments::shared(&arguments.attachments),
            _ => None,
        };
        Message { head: Part::Text(self.encode().into()), attachments }
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

/// Whether JSON text opens more arrays and objects than this. Looked at before it is parsed, for that is what takes the memory.
fn has_more_containers(payload: &str, containers_max: usize) -> bool {
    // Each takes two bytes at least.
    if payload.len() / 2 <= containers_max {
        return false;
    }
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in payload.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count > containers_max
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
    Ok(Body::Event { id, name, arguments: arguments.into() })
}

/// The text of an event, its `4` included.
pub(crate) fn event_text(namespace: &str, id: Option<u64>, name: &str, values: &[Value], attachments: usize) -> String {
    let mut out = head(if attachments > 0 { '5' } else { '2' }, namespace, attachments, id);
    write_array(&mut out, Some(name), values);
    out
}

/// What stands before the payload.
fn head(kind: char, namespace: &str, attachments: usize, id: Option<u64>) -> String {
    let mut out = format!("4{kind}");
    if attachments > 0 {
        out.push_str(&attachments.to_string());
        out.push('-');
    }
    if namespace != MAIN_NAMESPACE {
        out.push_str(namespace);
        out.push(',');
    }
    out.extend(id.iter().map(u64::to_string));
    out
}

fn write_array(out: &mut String, name: Option<&str>, arguments: &[Value]) {
    out.push('[');
    if let Some(name) = name {
        write_json(out, name);
    }
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 || name.is_some() {
            out.push(',');
        }
        write_json(out, argument);
    }
    out.push(']');
}

fn write_json(out: &mut String, value: &(impl serde::Serialize + ?Sized)) {
    // Keys are strings and the writer is memory: nothing here can fail.
    out.push_str(&serde_json::to_string(value).unwrap_or_default());
}

#[cfg(test)]
mod tests;
