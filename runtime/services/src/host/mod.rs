//! What every service host shares: its context, serving with probes, registration, and calls to its peers.

mod context;
mod peers;

pub use context::{HostContext, HostError};
pub use peers::{Peer, Peers};
