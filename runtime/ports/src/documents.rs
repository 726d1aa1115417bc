//! Documents: JSON objects by key, in collections, with secondary lookups.
//!
//! Promise: a put is atomic and durable when it returns; versions make it conditional.

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    StoreError,
    accounts::{Expect, Row},
};

/// Result of a put.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Put {
    /// Applied; the document's version now.
    Applied(u64),
    /// The condition did not hold; nothing applied.
    Conflict,
}

/// Which top-level text fields of a collection's documents are looked up by.
pub const COLLECTIONS: &[(&str, &[&str])] = &[
    ("files", &["owner", "channel", "state"]),
    ("devices", &["user"]),
    ("inbox", &["user"]),
    ("preferences", &[]),
    ("reasons", &["event"]),
];

/// The port. Documents share [`Row`] with accounts.
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    /// The document of this key.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn get(&self, collection: &str, key: &str) -> Result<Option<Row>, StoreError>;

    /// Documents whose indexed field has this value, by key, at most `limit`: ascending after `after`, or descending before
    /// it where `newest_first` is set.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Refused`] for a field without index.
    async fn find(
        &self,
        collection: &str,
        field: &str,
        value: &str,
        after: Option<&str>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// All documents of a collection by ascending key after `after`, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn scan(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Writes (`Some`) or deletes (`None`) a document.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn put(&self, collection: &str, key: &str, expect: Expect, value: Option<Value>) -> Result<Put, StoreError>;
}
