//! Which files may be written: only those that an earlier run wrote and that nobody edited since. The caller reads
//! and writes; this module decides.

mod manifest;
mod reconcile;

#[cfg(test)]
mod tests;

pub use manifest::{MANIFEST_PATH, Manifest, content_hash};
pub use reconcile::{WritePlan, reconcile};
