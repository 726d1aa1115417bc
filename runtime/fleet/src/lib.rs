//! The fleet: the single place where a [`archgen_spec::topology::Topology`] becomes hosts.
//!
//! `archgen up` starts each [`Host`] in a process of its own with the operating system's `Env`; `archgen sim` starts the same
//! hosts with a simulated one. Nothing else assembles a fleet.

mod assembly;
mod copy;
mod host;
mod real;
mod start;
mod wiring;

pub use archgen_backends::{Fault, FaultKind, Secret, Server};
pub use archgen_services::host::{Instances, Peer};
pub use archgen_store::{
    EngineKind, Journal, MoveError, Mover, Order as MoveOrder, Phase as MovePhase, nodes_at_first,
};
pub use assembly::{Addresses, Assembly, FleetError, PublicUrls, hosts};
pub use copy::{Copied, CopyError, copy};
pub use host::{Host, needs};
pub use real::{Means, RealStore, drives, real_stores};

/// Where every host that runs one of our services is told of another's [`Instances`], under the fleet's key.
pub const INSTANCES_PATH: &str = archgen_services::host::HostContext::INSTANCES_PATH;
