//! Slots: the one placement lookup that planner, router, services and simulator share.
//!
//! A key hashes (xxh3-64) to one of a fixed number of slots; slots are placed on nodes. Placing slots instead of keys
//! bounds the work of a resize to whole slots, as Redis Cluster does (16,384 slots).

mod map;

pub use map::*;
