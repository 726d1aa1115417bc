//! Planted bugs, one at a time, that the simulator must find. This module exists under `--cfg sabotage` alone.

use std::sync::atomic::{AtomicU8, Ordering};

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Acknowledges before the log is synced.
    AckBeforeSync,
    /// Forgets which client ids were seen.
    NoDedup,
    /// Accepts a stale owner's appends.
    NoFence,
}

static ACTIVE: AtomicU8 = AtomicU8::new(0);

/// Plants a bug.
pub fn set(sabotage: Sabotage) {
    ACTIVE.store(sabotage as u8 + 1, Ordering::Relaxed);
}

/// The planted bug.
pub fn active() -> Option<Sabotage> {
    match ACTIVE.load(Ordering::Relaxed) {
        1 => Some(Sabotage::AckBeforeSync),
        2 => Some(Sabotage::NoDedup),
        3 => Some(Sabotage::NoFence),
        _ => None,
    }
}
