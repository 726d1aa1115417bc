//! Replication, as far as a simulation needs it: the nodes of a group keep copies of one log of committed batches, and a
//! [`Policy`] says what the engine that is stood in for promises of them. One core serves every kind of store; only the policy
//! differs. It may be nastier than the real engine, never kinder.
//!
//! Leadership is Raft's (Ongaro and Ousterhout 2014), with pre-votes and leases, where a majority decides; a policy without votes
//! lets a standby promote itself, so that two may lead. Entries are batches of writes, which need no clock and no randomness to
//! be applied. A leader applies an entry before others have it, answers once enough copies are durable, and lets nobody read what
//! is not yet acknowledged. A copy that went another way is replaced as a whole.

mod campaign;
mod ledger;
mod policy;
mod replica;
mod serve;
mod ship;
mod wire;

pub use policy::{Failover, Policy, Reads, groups};
pub use replica::Membership;
pub(crate) use replica::{NotHere, Replica};
pub(crate) use serve::routes;
