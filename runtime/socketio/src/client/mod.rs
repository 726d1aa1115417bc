//! A client over any byte stream, by WebSocket from the start: what simulated people and tests speak. It connects once; when
//! and where to connect again is its owner's decision.

mod connect;
mod running;

pub use connect::{Client, ClientError, Event, Events, Options};
