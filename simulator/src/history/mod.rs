//! What clients saw: every operation with its times and outcome, and every observation.

mod record;

#[cfg(test)]
pub use record::Observation;
pub use record::{Final, History, Outcome, Recorder, Send};
