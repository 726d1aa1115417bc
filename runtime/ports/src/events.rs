//! Events: topics of partitions, read by consumer groups.
//!
//! Promise: a published record is durable when the call returns; records of one key keep their order; a group sees each record
//! at least once.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Envelope, StoreError};

/// A record with its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Offset in its partition, dense from 0 in a new topic; where records went over their time, from the oldest that is kept.
    pub offset: u64,
    /// The event.
    pub event: Envelope,
}

/// Records in one publish or fetch.
pub const BATCH_RECORDS_MAX: usize = 500;

/// The partition of a key.
pub fn partition_of(key: &str, partitions: u16) -> u16 {
    archgen_spec::sharding::slot_of(key.as_bytes(), partitions)
}

/// The port. The partition of an event is [`partition_of`] its key.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Number of partitions of a topic.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an unknown topic.
    async fn partitions(&self, topic: &str) -> Result<u16, StoreError>;

    /// Appends events in order. At most [`BATCH_RECORDS_MAX`].
    ///
    /// # Errors
    /// See [`StoreError`]; a retry may append twice, and of a call that ended without an answer any part may be there, so that
    /// whoever publishes again begins with the first event that it does not know to be there.
    async fn publish(&self, topic: &str, events: Vec<Envelope>) -> Result<(), StoreError>;

    /// Records from this offset on, waiting up to `wait_ms` for the first. Fewer than asked for where they are large.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn fetch(
        &self,
        topic: &str,
        partition: u16,
        offset: u64,
        records_max: usize,
        wait_ms: u64,
    ) -> Result<Vec<Record>, StoreError>;

    /// The offset from which a group goes on; 0 for a new group.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn committed(&self, group: &str, topic: &str, partition: u16) -> Result<u64, StoreError>;

    /// Records that a group has taken effect up to, but not including, this offset.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn commit(&self, group: &str, topic: &str, partition: u16, offset: u64) -> Result<(), StoreError>;
}
