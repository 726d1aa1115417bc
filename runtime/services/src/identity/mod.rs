//! Who calls: access-token claims, the caller forwarded by the gateway, and internal callers.

mod caller;
mod claims;

pub use caller::{Caller, Internal, SCOPE_HEADER, SESSION_HEADER, SUBJECT_HEADER};
pub use claims::Claims;
