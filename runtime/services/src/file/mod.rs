//! The file service: metadata, who may have a file, and the way of its bytes between people and the blob store. The bytes
//! themselves never pass through here: clients put and get them by presigned URL.
//!
//! A file is `pending` from the intent until its bytes are there and looked at, then `ready`, then `deleted`. Scanning,
//! quarantine, thumbnails and resumable uploads are not here yet.

mod api;
mod config;
mod document;
mod error;
mod events;
mod grants;
mod intent;
mod logic;
mod sniff;
mod state;

#[cfg(test)]
mod tests;

pub use config::{Config, run};
