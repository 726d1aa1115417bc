//! The trace digest: a running hash of everything that crossed the network, with its time. Two runs with one digest are the
//! same run.

use std::sync::{Arc, Mutex, PoisonError};

/// What happened on a stream.
#[derive(Debug, Clone, Copy)]
pub enum Crossing {
    /// A connection was opened.
    Connect,
    /// Bytes were written.
    Write,
    /// Bytes were read.
    Read,
    /// A fault was applied or healed.
    Fault,
}

/// The digest so far. Cloning shares it.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<(u64, u64)>>);

impl Default for Trace {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((0xcbf2_9ce4_8422_2325, 0))))
    }
}

impl Trace {
    /// Adds an event.
    pub fn record(&self, crossing: Crossing, host: &str, peer: &str, bytes: &[u8]) {
        let now = super::clock::elapsed().as_nanos() as u64;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hash = state.0;
        let mut mix = |word: u64| hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        mix(crossing as u64);
        mix(now);
        mix(bytes.len() as u64);
        for text in [host.as_bytes(), peer.as_bytes(), bytes] {
            for chunk in text.chunks(8) {
                let mut word = [0u8; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                mix(u64::from_le_bytes(word));
            }
        }
        *state = (hash, state.1 + 1);
    }

    /// The digest in hexadecimal and the number of events in it.
    pub fn digest(&self) -> (String, u64) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (format!("{:016x}", state.0), state.1)
    }
}
