//! The fleet: the single place where a [`archgen_spec::topology::Topology`] becomes hosts.
//!
//! `archgen up` starts each [`Host`] in a process of its own with the operating system's `Env`; `archgen sim` starts the same
//! hosts with a simulated one. Nothing else assembles a fleet.

mod assembly;
mod host;
mod real;
mod start;
mod wiring;

pub use archgen_backends::{Fault, FaultKind, Secret, Server};
pub use archgen_store::{EngineKind, Journal, MoveError, Mover, Phase as MovePhase, nodes_at_first};
pub use assembly::{Addresses, Assembly, FleetError, PublicUrls, hosts};
pub use host::Host;
pub use real::{Means, RealStore, drives, real_stores};
