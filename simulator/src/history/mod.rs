//! What clients saw: every operation with its times and outcome, and every observation.

mod record;

#[cfg(test)]
pub use record::Observation;
pub use record::{
    Claim, Claimed, Final, History, Listing, Outcome, ProfileLook, Read, Recorder, Removal, Renaming, Search, Send,
    Stored,
};
