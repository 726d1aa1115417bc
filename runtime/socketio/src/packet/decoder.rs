//! [`Decoder`]: puts binary packets together from the messages that they come in.

use bytes::Bytes;

use super::{Body, Packet, PacketError};

/// Bounds of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketLimits {
    /// Text and attachments together.
    pub bytes_max: usize,
    /// Attachments.
    pub attachments_max: usize,
    /// Arrays and objects of one packet: in memory each is many times what it is on the wire.
    pub containers_max: usize,
}

struct Pending {
    packet: Packet,
    missing: usize,
    bytes: usize,
}

/// The state between the messages of one packet.
pub struct Decoder {
    limits: PacketLimits,
    pending: Option<Box<Pending>>,
}

impl Decoder {
    /// Waits for the first message.
    pub fn new(limits: PacketLimits) -> Self {
        Self { limits, pending: None }
    }

    /// Takes a text message (without its `4`). `None`: attachments are to follow.
    ///
    /// # Errors
    /// See [`PacketError`]; the receiver closes the connection.
    pub fn text(&mut self, text: &str) -> Result<Option<Packet>, PacketError> {
        if self.pending.is_some() {
            return Err(PacketError::Incomplete);
        }
        if text.len() > self.limits.bytes_max {
            return Err(PacketError::TooLarge);
        }
        let (packet, missing) = Packet::decode_head(text, self.limits.containers_max)?;
        if missing > self.limits.attachments_max {
            return Err(PacketError::Attachments);
        }
        if missing == 0 {
            return Ok(Some(packet));
        }
        self.pending = Some(Box::new(Pending { packet, missing, bytes: text.len() }));
        Ok(None)
    }

    /// Takes a binary message. `None`: more are to follow.
    ///
    /// # Errors
    /// See [`PacketError`]; the receiver closes the connection.
    pub fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, PacketError> {
        let Some(pending) = &mut self.pending else { return Err(PacketError::Unasked) };
        pending.bytes += bytes.len();
        if pending.bytes > self.limits.bytes_max {
            return Err(PacketError::TooLarge);
        }
        pending.missing -= 1;
        if let Body::Event { arguments, .. } | Body::Ack { arguments, .. } = &mut pending.packet.body {
            arguments.attachments.push(bytes);
        }
        if pending.missing > 0 {
            return Ok(None);
        }
        Ok(self.pending.take().map(|pending| pending.packet))
    }
}
