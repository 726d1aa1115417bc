//! How a suite says what it expected.

use std::{cell::Cell, fmt::Debug};

use crate::StoreError;

/// A broken promise.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// The port gave another answer.
    #[error("{promise}: expected {expected}, found {found}")]
    Answer {
        /// What was promised.
        promise: &'static str,
        /// The answer that keeps it.
        expected: String,
        /// The answer that came.
        found: String,
    },
    /// The port gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

thread_local! {
    /// A suite runs on one thread, as the tests that call it do.
    static KEPT: Cell<u64> = const { Cell::new(0) };
}

/// Promises that were found kept on this thread since this was asked last.
pub fn promises_kept() -> u64 {
    KEPT.replace(0)
}

/// Compares an answer with the one that keeps the promise.
pub(super) fn expect<T: PartialEq + Debug>(promise: &'static str, found: T, expected: T) -> Result<(), Violation> {
    if found == expected {
        KEPT.set(KEPT.get() + 1);
        return Ok(());
    }
    Err(Violation::Answer { promise, expected: format!("{expected:?}"), found: format!("{found:?}") })
}
