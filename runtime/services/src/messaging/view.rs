//! Shapes on the wire: messages as people see them, entries as channel events.

use archgen_ports::{ChannelId, MessageId, UserId, messages::LogEntry};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kinds::kind;

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
    /// The event of an entry. `target` is the message that it revises, as it stands now. A message that was deleted since keeps
    /// its place, without content; so does an edit of it.
    pub(super) fn new(channel: &ChannelId, entry: &LogEntry, target: Option<&LogEntry>) -> Self {
        let mut data = entry.data.clone();
        if entry.deleted {
            data = json!({"body": null, "deleted": true});
        } else if let Some(data) = data.as_object_mut() {
            // Earlier texts are asked for, not spread.
            data.remove("history");
        }
        let borrows = kind(&entry.kind).map_or(&[][..], |k| k.borrows);
        if !borrows.is_empty() {
            let standing = target.filter(|t| !t.deleted);
            for field in borrows {
                data[*field] = standing.map_or(Value::Null, |t| t.data[*field].clone());
            }
            if standing.is_none() {
                data["deleted"] = json!(true);
            }
        }
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

/// The place of the message whose current content an entry's event needs.
pub(super) fn borrowed_from(entry: &LogEntry) -> Option<u64> {
    let borrows = kind(&entry.kind).is_some_and(|k| !k.borrows.is_empty());
    borrows.then(|| entry.data["target_seq"].as_u64()).flatten()
}

/// A message as people see it: current content, at its place.
pub(super) fn message(channel: &ChannelId, entry: &LogEntry) -> Value {
    let content = |field: &str| if entry.deleted { Value::Null } else { entry.data[field].clone() };
    let mut shown = json!({
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
        "edited": content("edited_ts").is_u64(),
        "deleted": entry.deleted,
        "permalink": permalink(&entry.id),
    });
    for field in ["edited_ts", "everyone", "also_to_channel", "reactions", "replies", "pinned"] {
        let value = content(field);
        if !value.is_null() {
            shown[field] = value;
        }
    }
    shown
}

/// Where the gateway's page shows a message among its neighbours, to whoever may see it.
fn permalink(id: &MessageId) -> String {
    format!("/#message/{id}")
}

/// A message's texts, oldest first, the current one last.
pub(super) fn versions(entry: &LogEntry) -> Vec<Value> {
    if entry.deleted {
        return Vec::new();
    }
    let mut all = entry.data["history"].as_array().cloned().unwrap_or_default();
    let since = entry.data["edited_ts"].as_u64().unwrap_or(entry.ts);
    all.push(json!({"body": entry.data["body"], "ts": since}));
    all
}
