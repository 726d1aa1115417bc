//! What one client sent and no handler has seen yet, in order, undecoded.

use std::collections::VecDeque;

use crate::{Text, engine::SEPARATOR};

/// A message, without its `4`.
pub(crate) struct Message {
    text: Text,
    start: usize,
    end: usize,
}

impl Message {
    pub(crate) fn as_str(&self) -> &str {
        &self.text[self.start..self.end]
    }
}

struct Batch {
    text: Text,
    at: usize,
    joined: bool,
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
        self.push(text, false);
    }

    /// A long-polling payload, of whose packets only the messages count.
    pub(crate) fn push_payload(&mut self, text: Text) {
        self.push(text, true);
    }

    pub(crate) fn clear(&mut self) {
        self.batches = VecDeque::new();
        self.bytes = 0;
    }

    /// The next message.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        while let Some(batch) = self.batches.front_mut() {
            let (text, start) = (batch.text.clone(), batch.at);
            let rest = text.get(start..).unwrap_or_default();
            let length = if batch.joined { rest.find(SEPARATOR).unwrap_or(rest.len()) } else { rest.len() };
            let end = start + length;
            let is_message = rest.starts_with('4');
            batch.at = end + SEPARATOR.len_utf8();
            if batch.at >= text.len() {
                self.bytes -= text.len();
                self.batches.pop_front();
            }
            if is_message {
                return Some(Message { text, start: start + 1, end });
            }
        }
        if self.batches.capacity() > 8 {
            self.batches = VecDeque::new();
        }
        None
    }

    fn push(&mut self, text: Text, joined: bool) {
        self.bytes += text.len();
        self.batches.push_back(Batch { text, at: 0, joined });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(inbox: &mut Inbox) -> Vec<String> {
        std::iter::from_fn(|| inbox.pop()).map(|message| message.as_str().to_owned()).collect()
    }

    #[test]
    fn messages_come_out_in_order_and_nothing_else_does() {
        let mut inbox = Inbox::new(2, 1_000);
        inbox.push_payload("40\u{1e}3\u{1e}4a\u{1e}4b".into());
        assert!(inbox.has_room());
        inbox.push_frame("4c\u{1e}4d".into());
        assert!(!inbox.has_room());
        assert_eq!(drain(&mut inbox), ["0", "a", "b", "c\u{1e}4d"]);
        assert!(inbox.is_empty() && inbox.has_room());
        inbox.push_payload("3".into());
        inbox.push_payload("4".into());
        inbox.push_payload("\u{1e}".into());
        assert_eq!(drain(&mut inbox), [""]);
        assert!(inbox.is_empty());
        assert_eq!(inbox.bytes, 0);
    }
}
