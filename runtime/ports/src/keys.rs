//! Keys: small values that change by comparison, and locks that end with their holder.
//!
//! Promise: a change whose condition holds is decided once and durable when it returns. A lock is held by one session at a time, and
//! is free again some time after that session ended or was not renewed for its time to live.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{StoreError, accounts::Expect};

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Its value.
    pub value: Bytes,
    /// Grows with each change of it; no two values of the key share one.
    pub version: u64,
    /// The session that holds it as a lock.
    pub holder: Option<String>,
}

/// The port.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// What the key stands for, as a majority knows it.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError>;

    /// Sets a value where the condition holds; whether it did.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn put(&self, key: &str, value: Bytes, expect: Expect) -> Result<bool, StoreError>;

    /// Removes a key where the condition holds; whether it did. A missing one satisfies [`Expect::Any`] and [`Expect::Absent`].
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn delete(&self, key: &str, expect: Expect) -> Result<bool, StoreError>;

    /// Begins a session, which lives `ttl_ms` from its last renewal, at least; its id.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Refused`] for a time that the engine does not do.
    async fn begin_session(&self, name: &str, ttl_ms: u64) -> Result<String, StoreError>;

    /// Renews a session; `false` where it is over.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn renew_session(&self, session: &str) -> Result<bool, StoreError>;

    /// Ends a session and what it holds; one that is over is no error.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn end_session(&self, session: &str) -> Result<(), StoreError>;

    /// Takes a key as a lock and sets its value; whether this session holds it now.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Refused`] for a session that is over.
    async fn acquire(&self, key: &str, value: Bytes, session: &str) -> Result<bool, StoreError>;

    /// Lets a lock go; whether this session held it.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn release(&self, key: &str, session: &str) -> Result<bool, StoreError>;
}
