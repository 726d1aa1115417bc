//! What is said about bad specs: a golden corpus with the whole human and JSON output of each.
//!
//! `ARCHGEN_BLESS=1 cargo test -p archgen-tests --test diagnostics` writes the golden files anew; review the difference.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod corpus;
mod fixes;
