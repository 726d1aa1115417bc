//! [`Digest`]: what there is, in one short text.

use sha2::{Digest as _, Sha256};

use super::Copied;

/// Counts items and digests them in the order in which they come.
#[derive(Default)]
pub(super) struct Digest {
    count: u64,
    hash: Sha256,
}

impl Digest {
    /// One more item.
    pub(super) fn add(&mut self, parts: &[&[u8]]) {
        self.count += 1;
        for part in parts {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
    }

    fn done(self) -> (u64, String) {
        let text = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (self.count, text)
    }

    /// Both sides of one kind of data.
    pub(super) fn both(what: &str, from: Self, to: Self) -> Copied {
        let ((before, old), (after, new)) = (from.done(), to.done());
        Copied { what: what.to_owned(), counts: (before, after), digests: (old, new) }
    }
}

/// The digest of one item.
pub(super) fn of(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}
