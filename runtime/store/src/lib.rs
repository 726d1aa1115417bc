//! The embedded store: a node that keeps every port's promise on an ordered key-value engine, and the client that speaks to it.
//!
//! `engine` (fjall, and the deterministic log engine) → `committer` (group commit) → `operations` (one file per port) → `node`
//! (HTTP) ⇄ `client` (the ports). The same node code runs under `archgen up` and in simulation; only the engine differs. Under
//! `archgen up` a store keeps one copy of each datum: past one machine the answer is the real engine. In a simulation
//! `replication` keeps as many as the spec asks for, with the promise of the engine that is stood in for.
//! Where a store keeps one copy, `placement` says which node holds which messages, and moves them while they are used.

mod client;
mod committer;
pub mod engine;
mod node;
mod operations;
mod placement;
pub mod replication;

pub use client::{PlacedClient, StoreClient};
pub use engine::EngineKind;
pub use node::{NodeConfig, NodeError, Place, nodes_at_first, run};
pub use placement::{COPIED_BYTES_PER_SECOND_MAX, Journal, MoveError, Mover, Order, Phase, Placement};
