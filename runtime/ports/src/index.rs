//! Index: full-text documents, eventually searchable.
//!
//! Promise: a put is durable when it returns and searchable soon after; an older version never replaces a newer one, so
//! replays and reordering are harmless.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::StoreError;

/// A document to be indexed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Id, unique in the index.
    pub id: String,
    /// External version: puts and deletes with a lower one are ignored.
    pub version: u64,
    /// Analyzed text (words, lower-cased).
    pub text: String,
    /// Exact-match fields: name to values.
    pub keywords: BTreeMap<String, Vec<String>>,
    /// Sort key; hits come by descending value, then id.
    pub rank: u64,
    /// Returned with a hit.
    pub stored: Value,
}

/// A query. A hit has every word, and for each filter at least one of its values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Words, all required; the last one also matches as a prefix where `prefix` is set.
    pub words: Vec<String>,
    /// Whether the last word matches as a prefix.
    pub prefix: bool,
    /// Words that a hit must not have.
    pub without: Vec<String>,
    /// Field to accepted values. An empty list matches nothing.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Hits at most.
    pub limit: usize,
    /// Continue after this (rank, id).
    pub after: Option<(u64, String)>,
}

/// A hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Id.
    pub id: String,
    /// Sort key.
    pub rank: u64,
    /// Stored value.
    pub stored: Value,
}

/// The port.
#[async_trait]
pub trait Index: Send + Sync + 'static {
    /// Adds or replaces documents.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn put(&self, index: &str, documents: Vec<Document>) -> Result<(), StoreError>;

    /// Removes a document, remembering the version.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn delete(&self, index: &str, id: &str, version: u64) -> Result<(), StoreError>;

    /// Hits by descending rank.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn search(&self, index: &str, query: Query) -> Result<Vec<Hit>, StoreError>;
}
