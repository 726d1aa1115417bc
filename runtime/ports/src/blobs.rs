//! Blobs: objects that clients put and get directly, by presigned URL.
//!
//! Promise: an object is durable and whole once its put was answered 200, and does not change once [`Blobs::info`] told of it. A
//! presigned PUT can be used again for as long as it is valid; until that first look, some engines let a later one replace an
//! earlier. It can be got once it was looked at.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// What a presigned URL allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grant {
    /// One PUT of exactly this many bytes.
    Put {
        /// Body size, bytes.
        size_bytes: u64,
    },
    /// GETs (with range requests), answered as an attachment of this name and media type.
    Get {
        /// File name offered to the user.
        name: String,
        /// Media type.
        media_type: String,
    },
}

/// A stored object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobInfo {
    /// Size, bytes.
    pub size_bytes: u64,
    /// SHA-256 of the content, lower-case hexadecimal.
    pub sha256: String,
}

/// The port.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// A URL that grants this until `expires_ms` (wall time, milliseconds since the Unix epoch).
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn presign(&self, bucket: &str, key: &str, grant: Grant, expires_ms: u64) -> Result<String, StoreError>;

    /// Size and digest of an object.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn info(&self, bucket: &str, key: &str) -> Result<Option<BlobInfo>, StoreError>;

    /// The first bytes of an object, for sniffing its media type.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Refused`] for a missing object.
    async fn first_bytes(&self, bucket: &str, key: &str, bytes_max: usize) -> Result<Bytes, StoreError>;

    /// Removes an object; a missing one is no error.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError>;
}
