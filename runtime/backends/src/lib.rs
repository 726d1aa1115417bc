//! Real engines behind the ports.
//!
//! A driver is built in by the cargo feature of its engine; without it [`connect`] says so. Nothing outside this crate asks which
//! features there are. What [`consul`] speaks is spoken to archgen's own registry host, too, so that no feature guards that part.

mod backend;
#[cfg(feature = "cassandra")]
mod cassandra;
pub mod consul;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
mod factory;
mod fault;
mod guard;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "s3")]
mod s3;
mod target;

pub use backend::{Backend, PortSet, Server};
pub use factory::{NotBuilt, connect, is_built};
pub use fault::{Fault, FaultKind};
pub use guard::{Failure, Guard, Metrics};
pub use target::{Credentials, Dataset, Engine, Schema, Secret, Target, Tls};
