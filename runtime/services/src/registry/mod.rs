//! The registry host: which instances are healthy now, behind a subset of Consul's HTTP API, for fleets without Consul.
//!
//! All state is soft and in memory: after a restart it comes back as instances register again. Several servers relay what
//! they are told to each other, best effort, and each judges time-to-live checks for itself; there is no consensus, and a
//! server among several refuses key-value writes for that reason. Gossip, sessions, transactions, prepared queries, Connect
//! and DNS are not here: past one machine the answer is Consul itself.

mod api;
mod catalog;
mod checks;
mod config;
mod definition;
mod error;
mod kv;
mod relay;
mod state;
mod wire;

#[cfg(test)]
mod tests;

pub use config::{Config, run};
