//! Keys: parts joined by a zero byte, numbers in big-endian so that they sort.

use crate::{committer::DecisionError, engine::Pair};

/// Values in one answer, bytes: well below what a client reads.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A key being built.
pub struct Key(Vec<u8>);

impl Key {
    /// A key in this namespace, which no other port uses.
    pub fn new(namespace: &str) -> Self {
        Self(namespace.as_bytes().to_vec())
    }

    /// Adds a text part.
    ///
    /// # Errors
    /// The text has a zero byte.
    pub fn text(mut self, part: &str) -> Result<Self, DecisionError> {
        if part.as_bytes().contains(&0) {
            return Err(DecisionError::Invalid("a key has a zero byte".to_owned()));
        }
        self.0.push(0);
        self.0.extend_from_slice(part.as_bytes());
        Ok(self)
    }

    /// Adds a number that sorts.
    pub fn number(mut self, part: u64) -> Self {
        self.0.push(0);
        self.0.extend_from_slice(&part.to_be_bytes());
        self
    }

    /// The key.
    pub fn done(self) -> Vec<u8> {
        self.0
    }

    /// From the first key below this one, up to but not including the end.
    pub fn below(self) -> (Vec<u8>, Vec<u8>) {
        let mut from = self.0;
        from.push(0);
        let mut to = from.clone();
        to.pop();
        to.push(1);
        (from, to)
    }
}

/// The part after the last zero byte, as text; for keys whose last part is text.
pub fn last_text(key: &[u8]) -> String {
    let start = key.iter().rposition(|b| *b == 0).map_or(0, |i| i + 1);
    String::from_utf8_lossy(&key[start..]).into_owned()
}

/// The smallest key after this one.
pub fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// How many of these pairs, in order, fit into one answer: at least one, where there is one.
pub fn fitting(pairs: &[Pair]) -> usize {
    let mut bytes = 0usize;
    let within = pairs.iter().take_while(|(_, value)| {
        bytes = bytes.saturating_add(value.len());
        bytes <= ANSWER_BYTES_MAX
    });
    within.count().max(1)
}
