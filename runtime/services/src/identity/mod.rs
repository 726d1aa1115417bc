//! Who calls: access-token claims and their verification, the caller forwarded by the gateway, and internal callers.

mod caller;
mod claims;
mod revocations;
mod verifier;

#[cfg(test)]
pub(crate) mod tests;

pub use caller::{Caller, Internal, SCOPE_HEADER, SESSION_HEADER, SUBJECT_HEADER};
pub use claims::Claims;
pub use revocations::{HELD_MS_MAX, Revocations};
pub use verifier::{TokenError, TokenVerifier};
