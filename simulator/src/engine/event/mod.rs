//! The event engine.

mod connection;
mod jumping;
mod network;
mod stream;

pub(super) use jumping::EventEngine;
