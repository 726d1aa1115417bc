//! What a session sends: packets of text and bytes, and messages of several packets that must stay together.

use std::sync::Arc;

use bytes::Bytes;

use crate::Text;

/// One packet, as a WebSocket frame or a part of a long-polling payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A text packet, its kind included.
    Text(Text),
    /// A message of bytes.
    Binary(Bytes),
}

impl Part {
    /// Its size as a WebSocket frame's payload.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Its size in a long-polling payload, where bytes are written `b` and base64.
    pub fn polled_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => 1 + bytes.len().div_ceil(3) * 4,
        }
    }
}

/// A packet and the binary packets that follow it with nothing between. Cloning counts references and copies no bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub(crate) head: Part,
    pub(crate) attachments: Option<Arc<[Bytes]>>,
}

impl Message {
    /// A message of one text packet, its kind included.
    pub fn text(text: impl Into<Text>) -> Self {
        Self { head: Part::Text(text.into()), attachments: None }
    }

    /// A message of one binary packet.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self { head: Part::Binary(bytes.into()), attachments: None }
    }

    /// A text packet with these attachments.
    pub fn with_attachments(text: impl Into<Text>, attachments: Vec<Bytes>) -> Self {
        let attachments = if attachments.is_empty() { None } else { Some(attachments.into()) };
        Self { head: Part::Text(text.into()), attachments }
    }

    /// Its packets, in order.
    pub fn into_parts(self) -> impl Iterator<Item = Part> {
        let attachments = self.attachments.into_iter().flat_map(|all| all.to_vec());
        std::iter::once(self.head).chain(attachments.map(Part::Binary))
    }

    /// Its size without framing.
    pub fn bytes(&self) -> usize {
        self.head.bytes() + self.attachments.iter().flat_map(|all| all.iter()).map(Bytes::len).sum::<usize>()
    }
}
