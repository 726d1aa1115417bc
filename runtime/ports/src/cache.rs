//! Cache: values that may vanish at any time and never outlive their time to live.
//!
//! Promise: none but freshness; the loss of a cache costs latency only.

use async_trait::async_trait;
use bytes::Bytes;

use crate::StoreError;

/// The port.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// The value, if it is there and not expired.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// Sets a value for `ttl_ms` milliseconds.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn set(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<(), StoreError>;

    /// Removes a value.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Adds to a counter and returns it; a new counter starts at 0 and lives `ttl_ms` from its first increment.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn increment(&self, key: &str, by: i64, ttl_ms: u64) -> Result<i64, StoreError>;

    /// Keys of a group, sorted, at most `limit`. What stands before the last `#` of a key is its group, and a group is asked for
    /// by that with the `#`: a cache need not be able to list anything else.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn keys(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError>;
}
