//! How a suite says what it expected.

use std::fmt::Debug;

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

/// Compares an answer with the one that keeps the promise.
pub(super) fn expect<T: PartialEq + Debug>(promise: &'static str, found: T, expected: T) -> Result<(), Violation> {
    if found == expected {
        return Ok(());
    }
    Err(Violation::Answer { promise, expected: format!("{expected:?}"), found: format!("{found:?}") })
}
