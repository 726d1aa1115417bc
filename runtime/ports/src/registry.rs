//! Registry: which instances of a service are healthy now.
//!
//! Promise: an instance that stops passing its check disappears within its time to live plus one poll.

use archgen_env::net::Address;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// A registered instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Instance id: the host's name.
    pub id: String,
    /// Service name.
    pub service: String,
    /// Where it listens.
    pub address: Address,
    /// Its failure domain.
    pub zone: String,
}

/// The port.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Registers an instance with a check that fails unless [`Registry::pass`] is called every `ttl_ms`.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn register(&self, instance: &Instance, ttl_ms: u64) -> Result<(), StoreError>;

    /// Says that the instance is well.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is not registered (the registry restarted): register again.
    async fn pass(&self, id: &str) -> Result<(), StoreError>;

    /// Removes an instance.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn deregister(&self, id: &str) -> Result<(), StoreError>;

    /// Healthy instances by id, and the index of this answer; waits up to `wait_ms` while the index is still `index`
    /// (0 asks for an answer at once).
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn healthy(&self, service: &str, index: u64, wait_ms: u64) -> Result<(u64, Vec<Instance>), StoreError>;
}
