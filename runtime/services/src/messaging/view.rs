//! Shapes on the wire: messages as people see them, entries as channel events.

use archgen_ports::{ChannelId, MessageId, UserId, messages::LogEntry};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Kind of an entry that is a message.
pub(super) const CREATED: &str = "message.created";
/// Kind of an entry that edits one.
pub(super) const EDITED: &str = "message.edited";
/// Kind of an entry that deletes one.
pub(super) const DELETED: &str = "message.deleted";
/// Kind of an entry that says who came.
pub(super) const MEMBER_ADDED: &str = "membership.added";
/// Kind of an entry that says who left.
pub(super) const MEMBER_REMOVED: &str = "membership.removed";

/// An entry as realtime hosts and consumers read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ChannelEvent {
    pub(super) ch: ChannelId,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) prev_seq: u64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: MessageId,
    pub(super) author: UserId,
    pub(super) ts: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_msg_id: Option<String>,
    pub(super) data: Value,
}

impl ChannelEvent {
    /// The event of an entry. A message that was deleted since keeps its place, without content.
    pub(super) fn new(channel: &ChannelId, entry: &LogEntry) -> Self {
        let data = if entry.deleted { json!({"body": null, "deleted": true}) } else { entry.data.clone() };
        Self {
            ch: channel.clone(),
            epoch: entry.position.epoch,
            seq: entry.position.seq,
            prev_seq: entry.position.seq - 1,
            kind: entry.kind.clone(),
            id: entry.id.clone(),
            author: entry.author.clone(),
            ts: entry.ts,
            client_msg_id: entry.client_msg_id.clone(),
            data,
        }
    }
}

/// A message as people see it: current content, at its place.
pub(super) fn message(channel: &ChannelId, entry: &LogEntry) -> Value {
    let content = |field: &str| if entry.deleted { Value::Null } else { entry.data[field].clone() };
    json!({
        "id": entry.id,
        "channel": channel,
        "epoch": entry.position.epoch,
        "seq": entry.position.seq,
        "author": entry.author,
        "ts": entry.ts,
        "client_msg_id": entry.client_msg_id,
        "body": content("body"),
        "thread": content("thread"),
        "files": content("files"),
        "mentions": content("mentions"),
        "edited": entry.revised_by > 0 && !entry.deleted,
        "deleted": entry.deleted,
    })
}
