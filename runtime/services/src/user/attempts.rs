//! Limits on sign-in attempts, per account and per address. Counters live in this process, bounded in number; where the fleet
//! has a cache they are counted there too, so that several instances share them. A lost cache costs that sharing only.
//!
//! An attempt is counted before the password is checked and taken back when it was right, so that many guesses at once cannot
//! slip through between check and count.

use std::sync::Arc;

use archgen_ports::cache::Cache;

use super::{error::UserError, local::LocalCache, rows::digest};

/// Wrong passwords for one account in a window.
pub(super) const ACCOUNT_MAX: i64 = 10;
/// Wrong passwords from one address in a window.
pub(super) const ADDRESS_MAX: i64 = 100;
/// Length of a window, milliseconds.
const WINDOW_MS: u64 = 300_000;

/// The limits.
pub(super) struct Attempts {
    shared: Option<Arc<dyn Cache>>,
    own: LocalCache,
}

/// An attempt that has been counted.
pub(super) struct Attempt([String; 2]);

impl Attempts {
    pub fn new(shared: Option<Arc<dyn Cache>>) -> Self {
        Self { shared, own: LocalCache::default() }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// [`UserError::Attempts`] where there were too many.
    pub async fn begin(&self, email: &str, address: &str) -> Result<Attempt, UserError> {
        // Digests keep addresses and emails out of the cache's key space.
        let attempt =
            Attempt([format!("login:account:{}", digest(email)), format!("login:address:{}", digest(address))]);
        let mut refused = false;
        for (key, limit) in attempt.0.iter().zip([ACCOUNT_MAX, ADDRESS_MAX]) {
            refused |= self.add(key, 1).await > limit;
        }
        if refused {
            // A refused attempt tested nothing; counting it would let anybody lock an account for ever.
            self.take_back(attempt).await;
            return Err(UserError::Attempts(WINDOW_MS / 1_000));
        }
        Ok(attempt)
    }

    /// Takes back an attempt that was right or was not made.
    pub async fn take_back(&self, attempt: Attempt) {
        for key in &attempt.0 {
            self.add(key, -1).await;
        }
    }

    async fn add(&self, key: &str, by: i64) -> i64 {
        let own = self.own.add(key, by, WINDOW_MS);
        match &self.shared {
            None => own,
            Some(shared) => match shared.increment(key, by, WINDOW_MS).await {
                Ok(count) => own.max(count),
                Err(error) => {
                    tracing::debug!(%error, "the shared attempt counter did not answer");
                    own
                }
            },
        }
    }
}
