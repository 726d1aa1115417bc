//! The node: one host that serves the store protocol, and objects by presigned URL.
//!
//! The protocol is `POST /store/<port>` with one call as JSON, under the fleet's key.

mod api;
mod config;
mod marker;
mod object_files;
mod objects;
mod owned;
mod redirect;
mod signature;
mod state;

pub use config::{NodeConfig, NodeError, Place, run};
pub use marker::nodes_at_first;
pub use objects::BlobsCall;

pub(crate) use api::{decide, read_answer};
pub(crate) use object_files::{ObjectFile, PIECE_BYTES, file_of};
pub(crate) use objects::remove;
pub(crate) use owned::Known;
pub(crate) use state::State;
