//! What a change does to a channel's log: the message that it concerns comes in as it stands, the entry to append comes out. Pure,
//! and the same shape for every change: validate, then the event, with the new content that it leaves behind.

use archgen_ports::{
    MessageId, UserId,
    messages::{Counts, LogEntry, NewEntry, Revision},
};
use serde_json::{Map, Value, json};

use super::{
    error::MessagingError,
    kinds::{CREATED, DELETED, EDITED, PIN, REACTION},
};

/// Earlier texts kept of a message.
const VERSIONS_MAX: usize = 20;
/// All of them together, bytes of JSON; older ones go.
const VERSIONS_BYTES_MAX: usize = 512 << 10;
/// Different emoji on one message.
const EMOJI_MAX: usize = 50;
/// Reactions on one message.
const REACTIONS_MAX: usize = 2_000;
/// An emoji or its name, bytes.
const EMOJI_BYTES_MAX: usize = 64;
/// Authors named by a thread's root.
const REPLIERS_MAX: usize = 5;

/// Index of the entries that pin and unpin.
pub(super) const PINS: &str = "pins";

/// Index of the replies to the message at this place.
pub(super) fn thread_index(root: u64) -> String {
    format!("thread:{root}")
}

/// A new message, its handles resolved.
#[derive(Debug, Clone, Default)]
pub(super) struct Say {
    pub(super) body: String,
    pub(super) files: Vec<String>,
    pub(super) mentions: Vec<UserId>,
    /// `channel` or `here`.
    pub(super) everyone: Option<&'static str>,
    /// Id of the thread's root, whose place is the proposal's target.
    pub(super) thread: Option<MessageId>,
    pub(super) also_to_channel: bool,
    /// Least time since the author's last message, milliseconds; 0 for none.
    pub(super) apart_ms: u64,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Say(Say),
    Edit {
        body: String,
        mentions: Vec<UserId>,
    },
    /// Whoever moderates may delete what others wrote.
    Delete {
        moderates: bool,
    },
    React {
        emoji: String,
        on: bool,
    },
    Pin {
        on: bool,
    },
    /// Rows say it already; the log tells of it.
    Tell {
        kind: &'static str,
        data: Value,
    },
}

/// A change that waits for the channel's writer.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    pub(super) id: MessageId,
    pub(super) author: UserId,
    pub(super) ts: u64,
    pub(super) client_msg_id: Option<String>,
    /// Place of the message that it concerns.
    pub(super) target: Option<u64>,
    pub(super) act: Act,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Decision {
    Append(Box<NewEntry>),
    /// Everything is as asked for.
    Already,
}

/// Decides on a proposal. `target` is the message at its target as it stands.
///
/// # Errors
/// [`MessagingError::NotFound`], [`MessagingError::Forbidden`], [`MessagingError::Invalid`].
pub(super) fn decide(proposal: Proposal, target: Option<&LogEntry>) -> Result<Decision, MessagingError> {
    let Proposal { id, author, ts, client_msg_id, target: place, act } = proposal;
    let target = match place {
        Some(_) => Some(target.filter(|t| t.kind == CREATED && !t.deleted).ok_or(MessagingError::NotFound("message"))?),
        None => None,
    };
    let entry = NewEntry {
        id,
        kind: String::new(),
        author,
        ts,
        client_msg_id,
        data: Value::Null,
        adds: Counts::default(),
        index: None,
        revises: None,
    };
    match (act, target) {
        (Act::Say(say), root) => say_it(entry, say, root).map(append),
        (Act::Tell { kind, data }, _) => Ok(append(NewEntry { kind: kind.to_owned(), data, ..entry })),
        (_, None) => Err(MessagingError::NotFound("message")),
        (Act::Edit { body, mentions }, Some(target)) => edit(entry, target, body, mentions),
        (Act::Delete { moderates }, Some(target)) => {
            if target.author != entry.author && !moderates {
                return Err(MessagingError::Forbidden("only its author, or who moderates the channel, may delete it"));
            }
            Ok(append(revising(entry, DELETED, target, json!({}), None)))
        }
        (Act::React { emoji, on }, Some(target)) => react(entry, target, &emoji, on),
        (Act::Pin { on }, Some(target)) => Ok(pin(entry, target, on)),
    }
}

fn append(entry: NewEntry) -> Decision {
    Decision::Append(Box::new(entry))
}

/// An entry that leaves the target with this content.
fn revising(entry: NewEntry, kind: &str, target: &LogEntry, mut data: Value, content: Option<Value>) -> NewEntry {
    let seq = target.position.seq;
    data["id"] = json!(target.id);
    data["target_seq"] = json!(seq);
    NewEntry { kind: kind.to_owned(), data, revises: Some(Revision { seq, data: content }), ..entry }
}

fn say_it(entry: NewEntry, say: Say, root: Option<&LogEntry>) -> Result<NewEntry, MessagingError> {
    let in_channel = root.is_none() || say.also_to_channel;
    // In a thread, everyone is only who reads it.
    let everyone = say.everyone.filter(|_| in_channel);
    let mut data = json!({"body": say.body, "thread": say.thread, "files": say.files, "mentions": say.mentions});
    if let Some(everyone) = everyone {
        data["everyone"] = json!(everyone);
    }
    let adds = Counts { messages: u64::from(in_channel), everyone: u64::from(everyone.is_some()) };
    let mut revises = None;
    if let Some(root) = root {
        if !root.data["thread"].is_null() {
            return Err(MessagingError::Invalid("a thread begins at a message that is no reply itself".to_owned()));
        }
        if say.also_to_channel {
            data["also_to_channel"] = json!(true);
        }
        let mut content = root.data.clone();
        content["replies"] = replies(&root.data["replies"], &entry);
        revises = Some(Revision { seq: root.position.seq, data: Some(content) });
    }
    let index = root.map(|root| thread_index(root.position.seq));
    Ok(NewEntry { kind: CREATED.to_owned(), data, adds, index, revises, ..entry })
}

fn replies(before: &Value, reply: &NewEntry) -> Value {
    let mut users: Vec<Value> = before["users"].as_array().cloned().unwrap_or_default();
    let author = json!(reply.author);
    if !users.contains(&author) && users.len() < REPLIERS_MAX {
        users.push(author);
    }
    json!({"count": before["count"].as_u64().unwrap_or(0) + 1, "last_ts": reply.ts, "users": users})
}

fn edit(entry: NewEntry, target: &LogEntry, body: String, mentions: Vec<UserId>) -> Result<Decision, MessagingError> {
    if target.author != entry.author {
        return Err(MessagingError::Forbidden("only its author may edit a message"));
    }
    if target.data["body"] == json!(body) {
        return Ok(Decision::Already);
    }
    let mut content = target.data.clone();
    let mut versions: Vec<Value> = content["history"].as_array().cloned().unwrap_or_default();
    let since = content["edited_ts"].as_u64().unwrap_or(target.ts);
    versions.push(json!({"body": content["body"], "ts": since}));
    versions.drain(..versions.len().saturating_sub(VERSIONS_MAX));
    while json!(versions).to_string().len() > VERSIONS_BYTES_MAX {
        versions.remove(0);
    }
    content["history"] = json!(versions);
    content["body"] = json!(body);
    content["mentions"] = json!(mentions);
    content["edited_ts"] = json!(entry.ts);
    Ok(append(revising(entry, EDITED, target, json!({}), Some(content))))
}

fn react(entry: NewEntry, target: &LogEntry, emoji: &str, on: bool) -> Result<Decision, MessagingError> {
    let bad = |c: char| c.is_control() || c.is_whitespace();
    if emoji.is_empty() || emoji.len() > EMOJI_BYTES_MAX || emoji.contains(bad) {
        return Err(MessagingError::Invalid(format!("an emoji has 1 to {EMOJI_BYTES_MAX} bytes, without spaces")));
    }
    let mut all: Map<String, Value> = target.data["reactions"].as_object().cloned().unwrap_or_default();
    let mut users: Vec<Value> = all.get(emoji).and_then(Value::as_array).cloned().unwrap_or_default();
    let (user, given) = (json!(entry.author), all.values().filter_map(Value::as_array).map(Vec::len).sum::<usize>());
    if users.contains(&user) == on {
        return Ok(Decision::Already);
    }
    if on && (given >= REACTIONS_MAX || (users.is_empty() && all.len() >= EMOJI_MAX)) {
        let why = format!("a message has at most {REACTIONS_MAX} reactions with {EMOJI_MAX} emoji");
        return Err(MessagingError::Invalid(why));
    }
    match on {
        true => users.push(user),
        false => users.retain(|u| *u != user),
    }
    match users.is_empty() {
        true => all.remove(emoji),
        false => all.insert(emoji.to_owned(), json!(users)),
    };
    let mut content = target.data.clone();
    content["reactions"] = json!(all);
    Ok(append(revising(entry, REACTION, target, json!({"emoji": emoji, "on": on}), Some(content))))
}

fn pin(entry: NewEntry, target: &LogEntry, on: bool) -> Decision {
    if target.data["pinned"].is_object() == on {
        return Decision::Already;
    }
    let mut content = target.data.clone();
    content["pinned"] = if on { json!({"by": entry.author, "ts": entry.ts}) } else { Value::Null };
    let index = Some(PINS.to_owned());
    append(NewEntry { index, ..revising(entry, PIN, target, json!({"on": on}), Some(content)) })
}

/// The target with the content that an entry leaves it with.
pub(super) fn revised(target: &LogEntry, revision: &Revision) -> LogEntry {
    let deleted = target.deleted || revision.data.is_none();
    let data = if deleted { Value::Null } else { revision.data.clone().unwrap_or(Value::Null) };
    LogEntry { data, deleted, ..target.clone() }
}
