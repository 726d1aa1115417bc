//! What clients saw: every operation with its times and outcome, and every observation.

mod record;

pub use record::{Final, History, Observation, Outcome, Recorder, Send};
