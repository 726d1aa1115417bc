//! The bounded send queue of one session. It knows sizes and order, not transports.

use std::collections::VecDeque;

use crate::Text;

/// Bounds of a send queue: both hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Sum of the packets' sizes.
    pub bytes_max: usize,
    /// Number of packets.
    pub packets_max: usize,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It will be sent.
    Queued,
    /// It was volatile and there was no room.
    Dropped,
    /// There was no room, even without the volatile packets: the reader is too slow.
    Overflow,
}

struct Entry {
    text: Text,
    volatile: bool,
}

/// A bounded first-in first-out queue that gives up its volatile packets first.
pub struct Outbox {
    limits: QueueLimits,
    entries: VecDeque<Entry>,
    bytes: usize,
    volatile: usize,
    /// While a client's connection to the namespace is being decided, what is sent to it waits behind this many entries.
    held_behind: Option<usize>,
}

impl Outbox {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, entries: VecDeque::new(), bytes: 0, volatile: 0, held_behind: None }
    }

    /// Appends within the limits.
    pub fn push(&mut self, text: Text, volatile: bool) -> Pushed {
        if !self.has_room(text.len()) {
            if volatile {
                return Pushed::Dropped;
            }
            self.drop_volatile();
            if !self.has_room(text.len()) {
                return Pushed::Overflow;
            }
        }
        self.append(text, volatile);
        Pushed::Queued
    }

    /// Appends outside the limits: for the protocol's own packets, of which a session has a fixed number.
    pub fn append(&mut self, text: Text, volatile: bool) {
        self.bytes += text.len();
        self.volatile += usize::from(volatile);
        self.entries.push_back(Entry { text, volatile });
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<Text> {
        match &mut self.held_behind {
            Some(0) => return None,
            Some(ahead) => *ahead = ahead.saturating_sub(1),
            None => {}
        }
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.text.len();
        self.volatile -= usize::from(entry.volatile);
        if self.entries.is_empty() {
            // A burst must not pin its memory for the life of the session.
            self.entries.shrink_to(8);
        }
        Some(entry.text)
    }

    /// Size of the oldest that may be taken.
    pub fn next_bytes(&self) -> Option<usize> {
        if self.held_behind == Some(0) { None } else { self.entries.front().map(|entry| entry.text.len()) }
    }

    /// Whether nothing may be taken.
    pub fn is_idle(&self) -> bool {
        self.next_bytes().is_none()
    }

    /// From now on what is pushed waits.
    pub fn hold(&mut self) {
        self.held_behind = Some(self.entries.len());
    }

    /// Lets what waited go, after this packet.
    pub fn release(&mut self, first: Text) {
        self.bytes += first.len();
        let at = self.held_behind.take().unwrap_or(self.entries.len());
        self.entries.insert(at.min(self.entries.len()), Entry { text: first, volatile: false });
    }

    /// Throws away what waited.
    pub fn discard_held(&mut self) {
        let Some(ahead) = self.held_behind.take() else { return };
        for entry in self.entries.drain(ahead.min(self.entries.len())..) {
            self.bytes -= entry.text.len();
            self.volatile -= usize::from(entry.volatile);
        }
    }

    /// Throws everything away.
    pub fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Bytes and packets queued.
    pub fn size(&self) -> (usize, usize) {
        (self.bytes, self.entries.len())
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.entries.len() < self.limits.packets_max && self.bytes + bytes <= self.limits.bytes_max
    }

    fn drop_volatile(&mut self) {
        if self.volatile == 0 {
            return;
        }
        let mut index = 0;
        let (mut bytes, mut ahead) = (0, 0);
        let held_behind = self.held_behind.unwrap_or(0);
        self.entries.retain(|entry| {
            if entry.volatile {
                bytes += entry.text.len();
                ahead += usize::from(index < held_behind);
            }
            index += 1;
            !entry.volatile
        });
        self.bytes -= bytes;
        self.volatile = 0;
        if let Some(behind) = &mut self.held_behind {
            *behind -= ahead;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(outbox: &mut Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop()).map(|text| text.to_string()).collect()
    }

    fn outbox(bytes_max: usize, packets_max: usize) -> Outbox {
        Outbox::new(QueueLimits { bytes_max, packets_max })
    }

    #[test]
    fn volatile_packets_give_way_and_then_the_reader_is_too_slow() {
        let mut out = outbox(100, 3);
        assert_eq!(out.push("a".into(), false), Pushed::Queued);
        assert_eq!(out.push("typing".into(), true), Pushed::Queued);
        assert_eq!(out.push("b".into(), false), Pushed::Queued);
        assert_eq!(out.push("presence".into(), true), Pushed::Dropped);
        assert_eq!(out.push("c".into(), false), Pushed::Queued);
        assert_eq!(out.push("d".into(), false), Pushed::Overflow);
        assert_eq!(out.size(), (3, 3));
        assert_eq!(drain(&mut out), ["a", "b", "c"]);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut out = outbox(5, 100);
        assert_eq!(out.push("12345".into(), false), Pushed::Queued);
        assert_eq!(out.push("6".into(), false), Pushed::Overflow);
    }

    #[test]
    fn what_waits_for_the_connection_follows_its_grant() {
        let mut out = outbox(100, 10);
        out.append("open".into(), false);
        out.hold();
        out.push("early".into(), false);
        assert_eq!(out.pop().as_deref(), Some("open"));
        assert_eq!(out.pop(), None);
        out.release("granted".into());
        assert_eq!(drain(&mut out), ["granted", "early"]);
        out.hold();
        out.push("secret".into(), false);
        out.discard_held();
        assert!(out.is_idle());
        assert_eq!(out.size(), (0, 0));
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
                let pushed = out.push(text.clone().into(), volatile);
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
            let lasting: Vec<String> =
                sent.iter().map(ToString::to_string).filter(|text| accepted.contains(text)).collect();
            prop_assert_eq!(lasting, accepted);
        }
    }
}
