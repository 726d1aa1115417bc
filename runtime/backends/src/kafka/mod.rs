//! Events on Kafka.
//!
//! `topics` makes and verifies the generated topics, `client` says how to connect and what errors mean, `taps` reads partitions from
//! any offset, `port` is the port and the backend around it.
//!
//! Which instance reads which partition is the caller's decision, so no group membership is used: a group is a name under which
//! offsets are committed, after the effects.

mod client;
mod port;
mod taps;
mod topics;

pub(crate) use port::open;
