//! The conformance suites: what every implementation of a port must do, run through the port itself.
//!
//! Each suite takes a port over an empty store, whatever is behind it, and returns the first promise that it breaks. One suite
//! judges the deterministic engine, the embedded engine and every real engine alike.

mod expectation;
mod keys;
mod logs;
mod messages;
mod objects;
mod registry;
mod rows;
mod volatile;

pub use expectation::{Violation, promises_kept};
pub use keys::keys;
pub use logs::events;
pub use messages::messages;
pub use objects::{Exchange, blobs};
pub use registry::registry;
pub use rows::{accounts, documents};
pub use volatile::{cache, index};
