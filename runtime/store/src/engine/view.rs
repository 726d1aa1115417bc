//! [`View`]: an engine with writes that are decided but not yet committed. What decides on it sees both.

use super::{Batch, Engine, EngineError, Pair};

/// Committed state with an overlay of writes.
pub struct View<'a> {
    engine: &'a dyn Engine,
    writes: Batch,
    /// What each key written since [`View::begin`] was in `writes` before, newest last.
    undo: Vec<Before>,
    written_bytes: usize,
}

/// A key, and its write so far, if any.
type Before = (Vec<u8>, Option<Option<Vec<u8>>>);

impl<'a> View<'a> {
    /// The committed state alone.
    pub fn new(engine: &'a dyn Engine) -> Self {
        Self { engine, writes: Batch::new(), undo: Vec::new(), written_bytes: 0 }
    }

    /// The writes so far.
    pub fn into_writes(self) -> Batch {
        self.writes
    }

    /// Bytes written so far, also those that were overwritten or taken back.
    pub fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Begins a decision: what is written from here on can be taken back.
    pub fn begin(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was written since [`View::begin`]: a decision that fails has written nothing.
    pub fn rollback(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(value) => self.writes.insert(key, value),
                None => self.writes.remove(&key),
            };
        }
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.written_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        let before = self.writes.insert(key.clone(), value);
        self.undo.push((key, before));
    }

    /// The value of a key.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        match self.writes.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.engine.get(key),
        }
    }

    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.write(key, Some(value));
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.write(key, None);
    }

    /// As [`Engine::scan`].
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn scan(&self, from: &[u8], to: &[u8], limit: usize, reverse: bool) -> Result<Vec<Pair>, EngineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let overlay: Vec<_> = self.writes.range(from.to_vec()..to.to_vec()).collect();
        // Each overlay entry can hide at most one committed pair.
        let committed = self.engine.scan(from, to, limit.saturating_add(overlay.len()), reverse)?;
        if overlay.is_empty() {
            return Ok(committed);
        }
        let mut merged: Batch = committed.into_iter().map(|(k, v)| (k, Some(v))).collect();
        merged.extend(overlay.into_iter().map(|(k, v)| (k.clone(), v.clone())));
        let pairs = merged.into_iter().filter_map(|(k, v)| v.map(|v| (k, v)));
        Ok(if reverse {
            let all: Vec<Pair> = pairs.collect();
            all.into_iter().rev().take(limit).collect()
        } else {
            pairs.take(limit).collect()
        })
    }
}
