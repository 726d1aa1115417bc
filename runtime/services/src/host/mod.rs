//! What every service host shares: its context, serving with probes, registration, calls to its peers, and extractors.

mod context;
mod documented;
mod extract;
mod peers;

pub use context::{HostContext, HostError};
pub use documented::{Documented, Route};
pub use extract::{Parameters, Payload};
pub use peers::{Directory, Instances, Peer, Peers, Terms};

#[cfg(test)]
mod tests;
