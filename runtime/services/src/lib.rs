//! The services of the reference system. Each one is a host: `config in, run(context) out`.
//!
//! Every service folder has the same shape: `mod` (config and `run`), `api` (routes and wire shapes), `state`, `logic`, `error`,
//! `tests`. None names a driver, a socket type, a wall clock or a random source: only ports and `Env`.
//!
//! Start with `host` (what all share), then the services in the order of a message's way.

pub mod consumer;
pub mod file;
pub mod gateway;
pub mod host;
pub mod identity;
pub mod messaging;
pub mod notification;
pub mod realtime;
pub mod registry;
pub mod search;
pub mod user;
