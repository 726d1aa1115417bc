//! The event envelope: one shape for every record on every topic.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event on a topic. Changes are additive only; unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Envelope version, 1.
    pub v: u8,
    /// Unique id; consumers key their effects by it, since delivery is at least once.
    pub event_id: String,
    /// `message.created`, `message.edited`, `message.deleted`, `membership.added`, `membership.removed`,
    /// `channel.created`, `user.created`, `user.updated`, `session.revoked`, `file.ready`, `file.deleted`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Partition key: channel, user or file id.
    pub key: String,
    /// Position in the channel's log, for channel events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Position in the channel's log, for channel events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Wall time at the writer, milliseconds since the Unix epoch.
    pub ts: u64,
    /// Who caused it.
    pub actor: String,
    /// The event's own fields.
    pub data: Value,
}
