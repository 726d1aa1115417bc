//! HTTP/1.1 over any [`crate::net::Net`]: a pooled client, a bounded server, problem details, probes.

mod client;
mod probe;
mod problem;
mod server;

pub use client::{Client, ClientError, Limits, Reply};
pub use probe::Probe;
pub use problem::Problem;
pub use server::{PeerAddress, ServerLimits, serve};

/// The metrics that [`Probe`] makes, for fields that hold them.
pub use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
