//! Events to documents of the index. Pure.
//!
//! Versions make repetition and disorder harmless: a message's version is the sequence number of its newest revision, a file is
//! first ready and then deleted, a user's version counts the writes of its row.

use std::collections::BTreeMap;

use archgen_ports::index::Document;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::query::words;

/// Index of messages.
pub(super) const MESSAGES: &str = "messages";
/// Index of files.
pub(super) const FILES: &str = "files";
/// Index of people.
pub(super) const PEOPLE: &str = "people";
/// Where events that could not be indexed are kept.
pub(super) const DEAD_LETTERS: &str = "dead_letters";

/// Version of a file that is ready.
const FILE_READY: u64 = 1;
/// Version of a file that is deleted.
pub(super) const FILE_DELETED: u64 = 2;

/// A message as it stands now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Message {
    pub id: String,
    pub channel: String,
    pub author: String,
    pub ts: u64,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub thread: Value,
    #[serde(default)]
    pub files: Vec<Value>,
}

/// Data of `message.created`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Created {
    pub channel: String,
}

/// Data of `message.edited` and `message.deleted`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Revision {
    pub channel: String,
    /// Sequence number of the message that it revises.
    pub target_seq: u64,
}

/// Data of `file.ready` and `file.deleted`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct File {
    pub id: String,
    pub owner: String,
    #[serde(default)]
    pub channel: Option<String>,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub media_type: Option<String>,
}

/// Data of `user.created` and `user.updated`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Person {
    pub id: String,
    pub handle: String,
    pub name: String,
    #[serde(default)]
    pub version: Option<u64>,
}

fn normal(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

/// Keyword of what the members of a channel may see.
pub(super) fn channel_access(channel: &str) -> String {
    format!("channel:{channel}")
}

/// Keyword of what a user may see as its owner.
pub(super) fn owner_access(user: &str) -> String {
    format!("user:{user}")
}

/// The document of a message whose newest revision has this sequence number. `seq` is its own.
pub(super) fn message(message: &Message, epoch: u64, seq: u64, version: u64) -> Document {
    let mut keywords = BTreeMap::from([
        ("channel".to_owned(), vec![message.channel.clone()]),
        ("author".to_owned(), vec![message.author.clone()]),
    ]);
    if !message.files.is_empty() {
        keywords.insert("has".to_owned(), vec!["file".to_owned()]);
    }
    Document {
        id: message.id.clone(),
        version,
        text: normal(&message.body),
        keywords,
        rank: message.ts,
        stored: json!({
            "type": "message", "id": message.id, "channel": message.channel, "epoch": epoch, "seq": seq,
            "author": message.author, "ts": message.ts, "body": message.body, "thread": message.thread,
            "files": message.files, "edited": version > seq,
        }),
    }
}

/// The document of a file that is ready.
pub(super) fn file(file: &File, ts: u64) -> Document {
    let mut access = vec![owner_access(&file.owner)];
    access.extend(file.channel.as_deref().map(channel_access));
    let mut keywords = BTreeMap::from([("access".to_owned(), access), ("author".to_owned(), vec![file.owner.clone()])]);
    if let Some(channel) = &file.channel {
        keywords.insert("channel".to_owned(), vec![channel.clone()]);
    }
    Document {
        id: file.id.clone(),
        version: FILE_READY,
        text: normal(&file.name),
        keywords,
        rank: ts,
        stored: json!({
            "type": "file", "id": file.id, "owner": file.owner, "channel": file.channel, "name": file.name,
            "size": file.size, "media_type": file.media_type, "ts": ts,
        }),
    }
}

/// The document of a person. Without a row version the event's time orders the revisions.
pub(super) fn person(person: &Person, ts: u64) -> Document {
    Document {
        id: person.id.clone(),
        version: person.version.unwrap_or(ts),
        text: normal(&format!("{} {}", person.handle, person.name)),
        keywords: BTreeMap::new(),
        rank: 0,
        stored: json!({"type": "person", "id": person.id, "handle": person.handle, "name": person.name}),
    }
}
