//! Ports: what services ask of stores, cut by promise and not by product; and the domain values that cross them.
//!
//! Each port is one object-safe trait. Every implementation (archgen-store over its two engines, real engines in
//! archgen-backends) must pass the same suite in [`conformance`].

pub mod accounts;
pub mod blobs;
pub mod cache;
pub mod conformance;
pub mod documents;
mod envelope;
mod error;
pub mod events;
mod identity;
pub mod index;
pub mod keys;
pub mod messages;
pub mod registry;

pub use envelope::Envelope;
pub use error::StoreError;
pub use identity::{ChannelId, MessageId, Position, ServiceKey, UserId};
