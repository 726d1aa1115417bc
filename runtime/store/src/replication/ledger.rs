//! The log of a copy, kept in its engine beside what it leads to: an entry, its effect and the copy's place are one batch.

use std::sync::Arc;

use super::wire::{Entry, Place, decode_batch, encode_batch};
use crate::engine::{Batch, Engine, EngineError};

/// What the engine's user cannot name begins with this byte.
const HIDDEN: u8 = 0;
const META: &[u8] = b"\0replica/meta";
const LOG: &[u8] = b"\0replica/log/";
/// Entries kept for copies that lag; one that lags more is sent everything.
const ENTRIES_KEPT: u64 = 256;
/// Entries shipped at once.
const SHIPPED_MAX: usize = 64;

/// What a copy must not forget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// The newest term that it knows of.
    pub(super) term: u64,
    /// Whom it elected in this term.
    pub(super) voted: Option<u64>,
    /// The end of its log.
    pub(super) last: Place,
}

impl Meta {
    fn encode(self) -> Vec<u8> {
        let voted = self.voted.map_or(0, |member| member + 1);
        [self.term, voted, self.last.term, self.last.index].into_iter().flat_map(u64::to_le_bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Self {
        let number =
            |at: usize| bytes.get(at * 8..at * 8 + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        let last = Place { term: number(2), index: number(3) };
        Self { term: number(0), voted: number(1).checked_sub(1), last }
    }
}

fn key(index: u64) -> Vec<u8> {
    [LOG, &index.to_be_bytes()].concat()
}

/// The log of one copy.
pub(super) struct Ledger(Arc<dyn Engine>);

impl Ledger {
    pub(super) fn open(engine: Arc<dyn Engine>) -> Result<(Self, Meta), EngineError> {
        let meta = engine.get(META)?.map_or_else(Meta::default, |bytes| Meta::decode(&bytes));
        Ok((Self(engine), meta))
    }

    /// Makes a term or a vote durable.
    pub(super) fn note(&self, meta: Meta) -> Result<(), EngineError> {
        self.0.commit(Batch::from([(META.to_vec(), Some(meta.encode()))]), true)
    }

    /// Appends one entry and applies it; returns what is to be remembered from now on.
    pub(super) fn append(&self, meta: Meta, term: u64, writes: Batch) -> Result<Meta, EngineError> {
        let bytes = encode_batch(writes.iter().map(|(k, v)| (k.as_slice(), v.as_deref())));
        self.commit(meta, vec![(term, bytes, writes)])
    }

    /// Appends entries of a leader and applies them.
    pub(super) fn extend(&self, meta: Meta, entries: Vec<Entry>) -> Result<Meta, EngineError> {
        if entries.is_empty() {
            return Ok(meta);
        }
        let decoded = entries.into_iter().filter_map(|(term, bytes)| decode_batch(&bytes).map(|w| (term, bytes, w)));
        self.commit(meta, decoded.collect())
    }

    fn commit(&self, mut meta: Meta, entries: Vec<(u64, Vec<u8>, Batch)>) -> Result<Meta, EngineError> {
        let mut batch = Batch::new();
        for (term, bytes, writes) in entries {
            batch.extend(writes);
            meta.last = Place { term, index: meta.last.index + 1 };
            let mut entry = term.to_le_bytes().to_vec();
            entry.extend(bytes);
            batch.insert(key(meta.last.index), Some(entry));
            if let Some(old) = meta.last.index.checked_sub(ENTRIES_KEPT) {
                batch.insert(key(old), None);
            }
        }
        batch.insert(META.to_vec(), Some(meta.encode()));
        self.0.commit(batch, true)?;
        Ok(meta)
    }

    /// The term of an entry, while it is kept.
    pub(super) fn term_at(&self, index: u64) -> Result<Option<u64>, EngineError> {
        if index == 0 {
            return Ok(Some(0));
        }
        Ok(self.0.get(&key(index))?.and_then(|bytes| Some(u64::from_le_bytes(*bytes.first_chunk::<8>()?))))
    }

    /// Entries after this place, some at a time.
    pub(super) fn after(&self, index: u64) -> Result<Vec<Entry>, EngineError> {
        let pairs = self.0.scan(&key(index + 1), &key(u64::MAX), SHIPPED_MAX, false)?;
        let entry = |(_, bytes): (Vec<u8>, Vec<u8>)| {
            let (term, batch) = bytes.split_first_chunk::<8>()?;
            Some((u64::from_le_bytes(*term), batch.to_vec()))
        };
        Ok(pairs.into_iter().filter_map(entry).collect())
    }

    /// Everything, as one batch.
    pub(super) fn whole(&self) -> Result<Vec<u8>, EngineError> {
        let pairs = self.0.scan(&[HIDDEN + 1], &[u8::MAX; 8], usize::MAX, false)?;
        Ok(encode_batch(pairs.iter().map(|(k, v)| (k.as_slice(), Some(v.as_slice())))))
    }

    /// Becomes this copy: what is not in it is gone.
    pub(super) fn replace(&self, meta: Meta, whole: &[u8]) -> Result<(), EngineError> {
        let mut batch = Batch::new();
        for (key, _) in self.0.scan(&[HIDDEN + 1], &[u8::MAX; 8], usize::MAX, false)? {
            batch.insert(key, None);
        }
        for (key, _) in self.0.scan(&key(0), &key(u64::MAX), usize::MAX, false)? {
            batch.insert(key, None);
        }
        batch.extend(decode_batch(whole).unwrap_or_default());
        // Its last entry stands for all before it.
        batch.insert(key(meta.last.index), Some(meta.last.term.to_le_bytes().to_vec()));
        batch.insert(META.to_vec(), Some(meta.encode()));
        self.0.commit(batch, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::MemoryEngine;

    fn writes(key: &str, value: &str) -> Batch {
        Batch::from([(key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))])
    }

    #[test]
    fn a_copy_that_went_another_way_becomes_the_other() {
        let (one, two) = (Arc::new(MemoryEngine::default()), Arc::new(MemoryEngine::default()));
        let (leader, meta) = Ledger::open(one.clone()).unwrap();
        let meta = leader.append(meta, 1, writes("a", "1")).unwrap();
        let meta = leader.append(Meta { term: 3, ..meta }, 3, writes("b", "2")).unwrap();
        let (follower, other) = Ledger::open(two.clone()).unwrap();
        let other = follower.extend(other, leader.after(0).unwrap()[..1].to_vec()).unwrap();
        let other = follower.append(other, 2, writes("lost", "3")).unwrap();
        assert_eq!((leader.term_at(2).unwrap(), follower.term_at(2).unwrap()), (Some(3), Some(2)));
        follower.replace(Meta { last: meta.last, term: 3, ..other }, &leader.whole().unwrap()).unwrap();
        assert_eq!(two.get(b"lost").unwrap(), None);
        assert_eq!(two.get(b"b").unwrap(), Some(b"2".to_vec()));
        let (_, reopened) = Ledger::open(two).unwrap();
        assert_eq!(reopened, Meta { term: 3, voted: None, last: meta.last });
        assert_eq!(follower.term_at(2).unwrap(), Some(3));
    }
}
