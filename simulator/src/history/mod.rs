//! What clients saw: every operation with its times and outcome, and every observation.

mod record;

pub use record::{Final, History, Outcome, Recorder};
#[cfg(test)]
pub use record::{Observation, Send};
