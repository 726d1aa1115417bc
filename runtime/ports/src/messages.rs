//! Messages: one append-only log per channel, fenced by the epoch of the channel's ownership shard.
//!
//! Promise: an append is atomic with its deduplication keys and durable when it returns; an append under an epoch older than
//! the newest granted for the shard is never applied; `seq` is dense per channel.
//!
//! An engine that cannot compare epochs in the write itself keeps this by time: it acknowledges only while the lease that it granted
//! is certainly not over (or after it has looked again), and a new owner never sees what an older one writes later. An append that
//! ended [`StoreError::Indeterminate`] may still surface until the next append to the channel, and not after.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ChannelId, MessageId, Position, StoreError, UserId};

/// Who owns a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The shard: `slot_of(channel, shards)`.
    pub shard: u16,
    /// Host that owns it.
    pub owner: String,
    /// Life of that host's process: a restarted process is a new owner.
    pub incarnation: String,
    /// Rises by one at each change of owner or incarnation.
    pub epoch: u64,
    /// Time left on the store's clock, milliseconds; 0 when expired.
    pub left_ms: u64,
}

/// An entry to be appended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEntry {
    /// Id of the entry. The writer makes it unique: an engine refuses one that stands twice in an append, and may refuse one that
    /// was used before, but need not look for it.
    pub id: MessageId,
    /// `message.created`, `message.edited`, `message.deleted`, `membership.added`, …
    pub kind: String,
    /// Who caused it.
    pub author: UserId,
    /// Wall time at the owner, milliseconds since the Unix epoch.
    pub ts: u64,
    /// The client's own id: an entry of the same author and client id within the dedup time is returned, not appended.
    pub client_msg_id: Option<String>,
    /// The entry's own fields (`body`, `files`, `mentions`, `thread`, …).
    pub data: Value,
    /// What it adds to the channel's counts.
    pub adds: Counts,
    /// A name under which the channel's entries are also found, in order of `seq`: a thread, the pins.
    pub index: Option<String>,
    /// The earlier entry whose current content this one replaces (edit, delete), with that content.
    pub revises: Option<Revision>,
}

/// Running totals of a channel, so that what is unread is a difference of two numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Messages of the channel itself (a reply in a thread is none, unless it was also sent to the channel).
    pub messages: u64,
    /// Those that mention everyone.
    pub everyone: u64,
}

impl Counts {
    /// Both, added up.
    pub fn plus(self, more: Self) -> Self {
        Self { messages: self.messages + more.messages, everyone: self.everyone + more.everyone }
    }

    /// How much these exceed earlier ones.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(earlier.messages),
            everyone: self.everyone.saturating_sub(earlier.everyone),
        }
    }
}

/// New current content of an earlier entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Sequence number of the earlier entry, in the same channel.
    pub seq: u64,
    /// Its content from now on; `None` for deleted, which is final.
    pub data: Option<Value>,
}

/// An entry of a channel's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Place.
    pub position: Position,
    /// Id.
    pub id: MessageId,
    /// Kind, as in [`NewEntry::kind`].
    pub kind: String,
    /// Who caused it.
    pub author: UserId,
    /// Wall time at the owner, milliseconds since the Unix epoch.
    pub ts: u64,
    /// The client's own id.
    pub client_msg_id: Option<String>,
    /// Current content (after revisions).
    pub data: Value,
    /// The channel's counts up to and including this entry.
    pub counts: Counts,
    /// Sequence number of the newest revision; 0 for none.
    pub revised_by: u64,
    /// Whether a revision deleted it (its `data` is then null).
    pub deleted: bool,
}

/// Entries for one channel, under one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Append {
    /// Ownership shard of the channel.
    pub shard: u16,
    /// The writer's epoch.
    pub epoch: u64,
    /// Channel.
    pub channel: ChannelId,
    /// The head that the writer knows: the last `seq`, 0 for an empty channel.
    pub head: u64,
    /// How long the client ids are remembered, milliseconds.
    pub dedup_ms: u64,
    /// In order. At most [`APPEND_ENTRIES_MAX`].
    pub entries: Vec<NewEntry>,
}

/// Entries in one append.
pub const APPEND_ENTRIES_MAX: usize = 256;

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryOutcome {
    /// The entry as it stands in the log.
    pub entry: LogEntry,
    /// Whether it was there already, under the same client id.
    pub duplicate: bool,
}

/// Result of an append.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Appended {
    /// All entries are durable, in order; one outcome each.
    Applied(Vec<EntryOutcome>),
    /// A newer epoch was granted: nothing applied, and the writer is no longer owner.
    Fenced {
        /// Newest epoch of the shard.
        epoch: u64,
    },
    /// The channel's head is another: nothing applied.
    HeadMoved {
        /// The head.
        head: u64,
    },
}

/// A channel with entries that the relay has not published yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpublished {
    /// Channel.
    pub channel: ChannelId,
    /// Last published `seq`.
    pub published: u64,
    /// Last `seq`.
    pub head: u64,
}

/// The end of a channel's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Place of the newest entry.
    pub position: Position,
    /// Its counts.
    pub counts: Counts,
    /// Last published `seq`.
    pub published: u64,
}

/// How far a reader has read a channel. A reader is a user, or a user on one device: whatever the caller names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadState {
    /// Channel.
    pub channel: ChannelId,
    /// Last `seq` read.
    pub seq: u64,
    /// The channel's counts at that place.
    pub counts: Counts,
    /// Later entries that mention the reader by name, at most [`MENTIONS_MAX`], the oldest ones.
    pub mentions: BTreeSet<u64>,
}

/// Unread mentions kept per reader and channel; more are not counted.
pub const MENTIONS_MAX: usize = 1_000;

/// Which part of a log to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    /// Entries with a greater `seq`, ascending.
    After(u64),
    /// Entries with a smaller `seq`, the newest of them, ascending.
    Before(u64),
    /// The newest entries, ascending.
    Latest,
}

/// The port.
#[async_trait]
pub trait Messages: Send + Sync + 'static {
    /// Takes free or expired shards and renews own ones; a shard held by another incarnation of the same owner is taken at
    /// once. Returns the lease of every shard asked for, whoever holds it; those that cannot be reached within a quarter of the
    /// time to live are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn lease(
        &self,
        owner: &str,
        incarnation: &str,
        shards: &[u16],
        ttl_ms: u64,
    ) -> Result<Vec<Lease>, StoreError>;

    /// Gives shards back so that another host may take them at once.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn release(&self, owner: &str, incarnation: &str, shards: &[u16]) -> Result<(), StoreError>;

    /// All leases ever granted, by shard; those that cannot be reached are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn leases(&self) -> Result<Vec<Lease>, StoreError>;

    /// Appends entries.
    ///
    /// # Errors
    /// See [`StoreError`]; after [`StoreError::Indeterminate`] the owner reads the head before it goes on.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Entries of a channel, ascending, at most `limit`. Fewer where they are large; none only where the range has none.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn read(&self, channel: &ChannelId, range: Range, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Entries that were appended under this index, with a greater `seq`, ascending, at most `limit`. Fewer where they are
    /// large; none only where there are none.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn indexed(
        &self,
        channel: &ChannelId,
        index: &str,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError>;

    /// The entries at these places, as they are asked for; absent ones are left out. At most [`APPEND_ENTRIES_MAX`].
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn entries(&self, channel: &ChannelId, seqs: &[u64]) -> Result<Vec<LogEntry>, StoreError>;

    /// The end of each channel's log; absent channels are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn heads(&self, channels: &[ChannelId]) -> Result<Vec<(ChannelId, Head)>, StoreError>;

    /// The entry of this id.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn by_id(&self, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, StoreError>;

    /// Channels of a shard with unpublished entries, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn unpublished(&self, shard: u16, limit: usize) -> Result<Vec<Unpublished>, StoreError>;

    /// Moves a channel's published mark up to `seq`; a lower mark is ignored. A loss of power may take a mark back: what was published is
    /// then published again.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn mark_published(&self, shard: u16, channel: &ChannelId, seq: u64) -> Result<(), StoreError>;

    /// Moves a reader's mark up to this place, whose counts the caller has read there; a lower one is ignored. Mentions up to
    /// the mark are forgotten. Returns what stands.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn set_read(
        &self,
        reader: &str,
        channel: &ChannelId,
        seq: u64,
        counts: Counts,
    ) -> Result<ReadState, StoreError>;

    /// Notes that the entry at this place mentions these readers; noting it again, or after it was read, changes nothing.
    ///
    /// # Errors
    /// See [`StoreError`]; it may be noted for some of them.
    async fn note_mentions(&self, channel: &ChannelId, seq: u64, readers: &[String]) -> Result<(), StoreError>;

    /// A reader's marks.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn read_states(&self, reader: &str) -> Result<Vec<ReadState>, StoreError>;
}
