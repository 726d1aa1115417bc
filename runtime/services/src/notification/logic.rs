//! Who is notified of a message and why, and the shapes of inbox and reasons. Pure.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::Envelope;
use serde::{Deserialize, Serialize};

/// Users of one message that a decision is recorded for; a longer list of mentions is cut.
pub(super) const DUE_MAX: usize = 500;

/// What is read of a `message.created` event.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Created {
    pub id: String,
    pub channel: String,
    pub author: String,
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Members whom it reaches by a keyword of theirs.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// `channel` or `here` where everyone is mentioned.
    #[serde(default)]
    pub everyone: Option<String>,
}

/// Why a user is notified or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    /// Mentioned in the message.
    Mention,
    /// The message holds a keyword of theirs.
    Keyword,
    /// The message is a direct one.
    DirectMessage,
    /// Skipped: wrote the message.
    Author,
    /// Skipped: mentioned, but no member of the channel.
    NotMember,
    /// Skipped: neither mentioned nor in a direct message.
    NotMentioned,
}

impl Reason {
    /// Whether it puts a row into the inbox.
    pub fn notifies(self) -> bool {
        matches!(self, Self::Mention | Self::Keyword | Self::DirectMessage)
    }
}

/// Collection `inbox`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InboxRow {
    pub user: String,
    pub event: String,
    pub channel: String,
    pub message: String,
    pub epoch: u64,
    pub seq: u64,
    pub author: String,
    pub ts: u64,
    pub reason: Reason,
    pub read: bool,
}

/// Collection `reasons`, one per event with a due user, keyed by the event's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reasons {
    pub event: String,
    pub channel: String,
    pub users: BTreeMap<String, Reason>,
}

/// The decision for each due user.
pub(super) fn decide(created: &Created, members: &BTreeSet<String>, direct: bool) -> BTreeMap<String, Reason> {
    let mut decided = BTreeMap::new();
    for user in created.mentions.iter().take(DUE_MAX) {
        let reason = if *user == created.author {
            Reason::Author
        } else if members.contains(user) {
            Reason::Mention
        } else {
            Reason::NotMember
        };
        decided.insert(user.clone(), reason);
    }
    for user in created.keywords.iter().take(DUE_MAX).filter(|user| **user != created.author && members.contains(*user))
    {
        decided.entry(user.clone()).or_insert(Reason::Keyword);
    }
    let all = if created.everyone.is_some() { Some(Reason::Mention) } else { None };
    if let Some(reason) = all.or(direct.then_some(Reason::DirectMessage)) {
        for user in members.iter().filter(|user| **user != created.author).take(DUE_MAX) {
            decided.entry(user.clone()).or_insert(reason);
        }
    }
    decided
}

/// The inbox row of a notified user.
pub(super) fn row(user: &str, event: &Envelope, created: &Created, reason: Reason) -> InboxRow {
    InboxRow {
        user: user.to_owned(),
        event: event.event_id.clone(),
        channel: created.channel.clone(),
        message: created.id.clone(),
        epoch: event.epoch.unwrap_or(0),
        seq: event.seq.unwrap_or(0),
        author: created.author.clone(),
        ts: event.ts,
        reason,
        read: false,
    }
}

/// Id of a user's inbox item: the same at each delivery of the event, and in order of time.
pub(super) fn item_id(ts: u64, event: &str) -> String {
    format!("{ts:015}:{event}")
}

/// Key of an inbox row.
pub(super) fn row_key(user: &str, item: &str) -> String {
    format!("{user}:{item}")
}

/// Channel and sequence number of an event's id, `<channel>:<seq>`.
pub(super) fn place(event: &str) -> Option<(&str, u64)> {
    let (channel, seq) = event.split_once(':')?;
    let digits = |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|c| c.is_ascii_digit());
    (digits(channel) && digits(seq)).then_some(())?;
    Some((channel, seq.parse().ok().filter(|seq| *seq > 0)?))
}
