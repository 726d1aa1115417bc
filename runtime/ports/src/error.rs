//! How a port call fails: the distinction every caller's retry depends on.

/// Why a port call gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Certainly not applied: refused, malformed, or never sent.
    #[error("refused: {0}")]
    Refused(String),
    /// May or may not have been applied, now or at any later time: the answer was lost.
    #[error("no answer: {0}")]
    Indeterminate(String),
}

impl StoreError {
    /// Whether the call certainly had no effect.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}
