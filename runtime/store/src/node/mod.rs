//! The node: one host that serves the store protocol, and objects by presigned URL.
//!
//! The protocol is `POST /store/<port>` with one call as JSON, under the fleet's key.

mod api;
mod config;
mod marker;
mod objects;
mod signature;
mod state;

pub use config::{NodeConfig, NodeError, run};
pub use objects::BlobsCall;
