//! What one client sent and no handler has seen yet, in order, undecoded.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    Text,
    engine::{Part, SEPARATOR, decode_bytes},
};

/// A client's message could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

enum Batch {
    /// One message without a separator, its `4` included.
    Frame(Text),
    Bytes(Bytes),
    /// A long-polling payload, read up to this byte.
    Payload(Text, usize),
}

impl Batch {
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(text) | Self::Payload(text, _) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// The bounded receive queue. A batch is accepted whole when there is room before it, so that it holds at most one batch
/// more than its limits.
pub(crate) struct Inbox {
    batches: VecDeque<Batch>,
    bytes: usize,
    batches_max: usize,
    bytes_max: usize,
}

impl Inbox {
    pub(crate) fn new(batches_max: usize, bytes_max: usize) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, batches_max, bytes_max }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.batches.len() < self.batches_max && self.bytes < self.bytes_max
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// A message packet that came as a frame of its own.
    pub(crate) fn push_frame(&mut self, text: Text) {
        self.push(Batch::Frame(text));
    }

    /// A message of bytes that came as a frame of its own.
    pub(crate) fn push_bytes(&mut self, bytes: Bytes) {
        self.push(Batch::Bytes(bytes));
    }

    /// A long-polling payload, of whose packets only the messages count.
    pub(crate) fn push_payload(&mut self, text: Text) {
        self.push(Batch::Payload(text, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.batches = VecDeque::new();
        self.bytes = 0;
    }

    /// The next message, a text without its `4`.
    pub(crate) fn pop(&mut self) -> Result<Option<Part>, Unreadable> {
        while let Some(batch) = self.batches.front_mut() {
            let next = match batch {
                Batch::Frame(text) => Ok(Some(Part::Text(slice(text, 1, text.len())))),
                Batch::Bytes(bytes) => Ok(Some(Part::Binary(bytes.clone()))),
                Batch::Payload(text, at) => {
                    let rest = text.get(*at..).unwrap_or_default();
                    let (start, end) = (*at, *at + rest.find(SEPARATOR).unwrap_or(rest.len()));
                    let packet = &text[start..end];
                    *at = end + SEPARATOR.len_utf8();
                    let next = match packet.as_bytes().first() {
                        Some(b'4') => Ok(Some(Part::Text(slice(text, start + 1, end)))),
                        Some(b'b') => decode_bytes(&packet[1..])
                            .map(|bytes| Some(Part::Binary(bytes.into())))
                            .map_err(|_| Unreadable),
                        _ => Ok(None),
                    };
                    if *at < text.len() {
                        match next {
                            Ok(None) => continue,
                            next => return next,
                        }
                    }
                    next
                }
            };
            self.bytes -= batch.bytes();
            self.batches.pop_front();
            match next {
                Ok(None) => {}
                next => return next,
            }
        }
        self.batches = VecDeque::new();
        Ok(None)
    }

    fn push(&mut self, batch: Batch) {
        self.bytes += batch.bytes();
        self.batches.push_back(batch);
    }
}

/// A part of a text, which shares its bytes.
fn slice(text: &Text, start: usize, end: usize) -> Text {
    let bytes = Bytes::from(text.clone()).slice(start..end);
    // A part of UTF-8 between whole characters is UTF-8.
    Text::try_from(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(inbox: &mut Inbox) -> Vec<String> {
        let all = std::iter::from_fn(|| inbox.pop().transpose());
        all.map(|part| match part {
            Ok(Part::Text(text)) => text.to_string(),
            Ok(Part::Binary(bytes)) => format!("{bytes:?}"),
            Err(Unreadable) => "unreadable".to_owned(),
        })
        .collect()
    }

    #[test]
    fn messages_come_out_in_order_and_nothing_else_does() {
        let mut inbox = Inbox::new(2, 1_000);
        inbox.push_payload("40\u{1e}3\u{1e}4a\u{1e}baGk=\u{1e}4b".into());
        assert!(inbox.has_room());
        inbox.push_frame("4c\u{1e}4d".into());
        assert!(!inbox.has_room());
        assert_eq!(drain(&mut inbox), ["0", "a", "b\"hi\"", "b", "c\u{1e}4d"]);
        assert!(inbox.is_empty() && inbox.has_room());
        inbox.push_payload("3".into());
        inbox.push_payload("4".into());
        inbox.push_payload("\u{1e}".into());
        inbox.push_bytes(Bytes::from_static(b"x"));
        inbox.push_payload("b*".into());
        assert_eq!(drain(&mut inbox), ["", "b\"x\"", "unreadable"]);
        assert!(inbox.is_empty());
        assert_eq!(inbox.bytes, 0);
    }
}
