//! The bounded send queue of one session. It knows sizes and order, not transports.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::message::{Message, Part};

/// Bounds of a send queue: both hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Sum of the messages' sizes.
    pub bytes_max: usize,
    /// Number of messages.
    pub packets_max: usize,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It will be sent.
    Queued,
    /// It was volatile and there was no room.
    Dropped,
    /// There was no room, even without the volatile messages: the reader is too slow.
    Overflow,
}

struct Entry {
    message: Message,
    volatile: bool,
}

/// Attachments whose message is partly sent: they go before all else and are never given up, or the client could not read on.
struct Tail {
    attachments: Arc<[Bytes]>,
    next: usize,
}

/// A bounded first-in first-out queue that gives up its volatile messages first.
pub struct Outbox {
    limits: QueueLimits,
    entries: VecDeque<Entry>,
    tail: Option<Tail>,
    bytes: usize,
    volatile: usize,
}

impl Outbox {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, entries: VecDeque::new(), tail: None, bytes: 0, volatile: 0 }
    }

    /// Appends within the limits.
    pub fn push(&mut self, message: Message, volatile: bool) -> Pushed {
        let bytes = message.bytes();
        if !self.has_room(bytes) {
            if volatile {
                return Pushed::Dropped;
            }
            self.drop_volatile();
            if !self.has_room(bytes) {
                return Pushed::Overflow;
            }
        }
        self.append(message, volatile);
        Pushed::Queued
    }

    /// Appends outside the limits: for the protocol's own packets, of which a session has a fixed number.
    pub fn append(&mut self, message: Message, volatile: bool) {
        self.bytes += message.bytes();
        self.volatile += usize::from(volatile);
        self.entries.push_back(Entry { message, volatile });
    }

    /// Appends what waited in another queue. `false` when it does not fit: the reader is too slow.
    pub fn append_all(&mut self, waited: Outbox) -> bool {
        waited.entries.into_iter().all(|entry| self.push(entry.message, entry.volatile) != Pushed::Overflow)
    }

    /// Takes the oldest packet.
    pub fn pop(&mut self) -> Option<Part> {
        if let Some(tail) = &mut self.tail {
            let bytes = tail.attachments.get(tail.next).cloned()?;
            tail.next += 1;
            if tail.next == tail.attachments.len() {
                self.tail = None;
            }
            self.bytes -= bytes.len();
            return Some(Part::Binary(bytes));
        }
        let Entry { message, volatile } = self.entries.pop_front()?;
        self.tail = message.attachments.map(|attachments| Tail { attachments, next: 0 });
        self.bytes -= message.head.bytes();
        self.volatile -= usize::from(volatile);
        if self.entries.is_empty() {
            // Neither a burst nor a single message pins memory while the session rests.
            self.entries = VecDeque::new();
        }
        Some(message.head)
    }

    /// Size of the oldest packet in a long-polling payload.
    pub fn next_polled_bytes(&self) -> Option<usize> {
        match &self.tail {
            Some(tail) => tail.attachments.get(tail.next).map(|bytes| Part::Binary(bytes.clone()).polled_bytes()),
            None => self.entries.front().map(|entry| entry.message.head.polled_bytes()),
        }
    }

    /// Whether there is nothing to take.
    pub fn is_idle(&self) -> bool {
        self.tail.is_none() && self.entries.is_empty()
    }

    /// Throws everything away but what a message that is partly sent still needs.
    pub fn clear(&mut self) {
        let left: usize = self.tail.iter().flat_map(|tail| &tail.attachments[tail.next..]).map(Bytes::len).sum();
        *self = Self { tail: self.tail.take(), bytes: left, ..Self::new(self.limits) };
    }

    /// Bytes and messages queued.
    pub fn size(&self) -> (usize, usize) {
        (self.bytes, self.entries.len() + usize::from(self.tail.is_some()))
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.size().1 < self.limits.packets_max && self.bytes + bytes <= self.limits.bytes_max
    }

    fn drop_volatile(&mut self) {
        if self.volatile == 0 {
            return;
        }
        let mut bytes = 0;
        self.entries.retain(|entry| {
            bytes += if entry.volatile { entry.message.bytes() } else { 0 };
            !entry.volatile
        });
        self.bytes -= bytes;
        self.volatile = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(outbox: &mut Outbox) -> Vec<String> {
        let all = std::iter::from_fn(|| outbox.pop());
        all.map(|part| match part {
            Part::Text(text) => text.to_string(),
            Part::Binary(bytes) => format!("{bytes:?}"),
        })
        .collect()
    }

    fn outbox(bytes_max: usize, packets_max: usize) -> Outbox {
        Outbox::new(QueueLimits { bytes_max, packets_max })
    }

    fn with_bytes(text: &str, attachments: &[&'static [u8]]) -> Message {
        Message::with_attachments(text, attachments.iter().copied().map(Bytes::from_static).collect())
    }

    #[test]
    fn volatile_messages_give_way_and_then_the_reader_is_too_slow() {
        let mut out = outbox(100, 3);
        assert_eq!(out.push(Message::text("a"), false), Pushed::Queued);
        assert_eq!(out.push(with_bytes("typing", &[b"x"]), true), Pushed::Queued);
        assert_eq!(out.push(Message::text("b"), false), Pushed::Queued);
        assert_eq!(out.push(Message::text("presence"), true), Pushed::Dropped);
        assert_eq!(out.push(Message::text("c"), false), Pushed::Queued);
        assert_eq!(out.push(Message::text("d"), false), Pushed::Overflow);
        assert_eq!(out.size(), (3, 3));
        assert_eq!(drain(&mut out), ["a", "b", "c"]);
    }

    #[test]
    fn bytes_are_bounded_attachments_included() {
        let mut out = outbox(5, 100);
        assert_eq!(out.push(with_bytes("12", &[b"345"]), false), Pushed::Queued);
        assert_eq!(out.push(Message::text("6"), false), Pushed::Overflow);
    }

    #[test]
    fn a_message_that_is_partly_sent_is_sent_to_its_end() {
        let mut out = outbox(100, 10);
        out.push(with_bytes("head", &[b"one", b"two"]), true);
        out.push(Message::text("next"), false);
        assert_eq!(out.pop(), Some(Part::Text("head".into())));
        assert_eq!(out.pop(), Some(Part::Binary("one".into())));
        out.drop_volatile();
        out.clear();
        out.append(Message::text("farewell"), false);
        assert_eq!(out.size(), (11, 2));
        assert_eq!(drain(&mut out), ["b\"two\"", "farewell"]);
        assert_eq!(out.size(), (0, 0));
    }

    #[test]
    fn what_waited_follows_within_the_limits() {
        let (mut out, mut early) = (outbox(10, 10), outbox(20, 10));
        early.push(Message::text("123"), false);
        early.push(Message::text("456"), true);
        out.append(Message::text("granted"), false);
        assert!(out.append_all(early), "volatile messages may be lost");
        assert_eq!(drain(&mut out), ["granted", "123"]);
        let mut early = outbox(20, 10);
        early.push(Message::text("12345678901"), false);
        assert!(!out.append_all(early));
    }

    proptest! {
        #[test]
        fn limits_hold_and_lasting_packets_keep_their_order(
            steps in prop::collection::vec((0u8..4, 0usize..12, any::<bool>()), 0..200),
        ) {
            let mut out = outbox(40, 6);
            let (mut sent, mut accepted, mut number) = (Vec::new(), Vec::new(), 0u32);
            for (step, padding, volatile) in steps {
                if step == 0 {
                    sent.extend(out.pop());
                    continue;
                }
                let text = format!("{number}{}", "-".repeat(padding));
                number += 1;
                let attachments = if step == 1 { vec![Bytes::from_static(b"a"), Bytes::new()] } else { Vec::new() };
                let pushed = out.push(Message::with_attachments(text.as_str(), attachments), volatile);
                prop_assert!(!(volatile && pushed == Pushed::Overflow));
                prop_assert!(volatile || pushed != Pushed::Dropped);
                if pushed == Pushed::Queued && !volatile {
                    accepted.push(text);
                }
                let (bytes, packets) = out.size();
                prop_assert!(bytes <= 40 && packets <= 6);
            }
            sent.extend(std::iter::from_fn(|| out.pop()));
            prop_assert_eq!(out.size(), (0, 0));
            let texts = sent.iter().filter_map(|part| match part {
                Part::Text(text) => Some(text.to_string()),
                Part::Binary(_) => None,
            });
            prop_assert_eq!(texts.filter(|text| accepted.contains(text)).collect::<Vec<_>>(), accepted);
        }
    }
}
