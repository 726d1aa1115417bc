//! What every service host shares: its context, serving with probes, registration, calls to its peers, and extractors.

mod context;
mod extract;
mod peers;

pub use context::{HostContext, HostError};
pub use extract::{Parameters, Payload};
pub use peers::{Peer, Peers};
