//! The retry budget: retries stay below a fifth of all requests, so that they cannot multiply an overload.
//!
//! Source: Finagle's RetryBudget (deposit per request, withdrawal per retry, small reserve).

use std::sync::{Mutex, PoisonError};

use http::Method;

/// Retries per request.
const SHARE: f64 = 0.2;
/// Retries allowed before any request has paid, and the most that is ever saved up.
const RESERVE_RETRIES: f64 = 10.0;

/// Retries that may still be made.
pub(super) struct RetryBudget(Mutex<f64>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Mutex::new(RESERVE_RETRIES))
    }
}

impl RetryBudget {
    /// A request was made.
    pub(super) fn deposit(&self) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = (*left + SHARE).min(RESERVE_RETRIES);
    }

    /// Whether one more retry may be made; takes it.
    pub(super) fn withdraw(&self) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = *left >= 1.0;
        if allowed {
            *left -= 1.0;
        }
        allowed
    }
}

/// Whether a second try cannot do twice what one does (RFC 9110, section 9.2.2).
pub(super) fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE].contains(method)
}
