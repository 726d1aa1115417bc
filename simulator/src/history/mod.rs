//! What clients saw: every operation with its times and outcome, and every observation.

mod record;

#[cfg(test)]
pub use record::Observation;
pub use record::{Claim, Claimed, Final, History, Outcome, Read, Recorder, Removal, Search, Send, Stored};
