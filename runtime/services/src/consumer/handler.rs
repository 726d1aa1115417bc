//! [`Handler`]: what a consumer does with an event, and how it says that it could not.

use archgen_ports::{Envelope, StoreError, events::Record};
use async_trait::async_trait;
use serde_json::{Value, json};

/// Why an event had no effect yet.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HandlerError {
    /// Something it needs did not answer. Tried again without end: skipping would lose the effect.
    #[error("waiting: {0}")]
    Retry(String),
    /// The event itself cannot be processed, now or later. After a few tries it is buried.
    #[error("unprocessable: {0}")]
    Poison(String),
}

impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        Self::Retry(error.to_string())
    }
}

/// An event given up, with its place and the reason: kept durably, so that nothing is dropped silently.
#[derive(Debug, Clone)]
pub struct DeadLetter<'a> {
    /// Consumer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: u16,
    /// The record.
    pub record: &'a Record,
    /// Why it could not be processed.
    pub reason: &'a str,
    /// Wall time of the burial, milliseconds since the Unix epoch.
    pub buried_ms: u64,
}

impl DeadLetter<'_> {
    /// A key that is the same at each burial of the same record.
    pub fn key(&self) -> String {
        format!("dead:{}:{}:{}:{}", self.group, self.topic, self.partition, self.record.offset)
    }

    /// As a JSON object.
    pub fn value(&self) -> Value {
        json!({
            "event": self.record.event.event_id, "group": self.group, "topic": self.topic, "partition": self.partition,
            "offset": self.record.offset, "reason": self.reason, "buried_ms": self.buried_ms,
            "envelope": self.record.event,
        })
    }
}

/// What a consumer does with events.
///
/// Delivery is at least once, and several events of a partition may be handled at the same time: an effect is keyed by the
/// event's id or guarded by a version, so that repetition and order do not matter.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Takes effect. `Ok` means that the effect is durable (or that the event needs none).
    ///
    /// # Errors
    /// See [`HandlerError`].
    async fn handle(&self, topic: &str, event: &Envelope) -> Result<(), HandlerError>;

    /// Records durably that an event was given up.
    ///
    /// # Errors
    /// See [`StoreError`]; it is tried again until it succeeds.
    async fn bury(&self, letter: DeadLetter<'_>) -> Result<(), StoreError>;
}
