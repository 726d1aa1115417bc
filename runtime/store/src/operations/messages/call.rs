//! The calls of the messages port on the wire.

use archgen_ports::{
    ChannelId, MessageId,
    messages::{Append, Counts, Range},
};
use serde::{Deserialize, Serialize};

/// A call of the messages port on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessagesCall {
    /// Take or renew leases.
    Lease {
        /// Who asks.
        owner: String,
        /// Its life.
        incarnation: String,
        /// Shards asked for.
        shards: Vec<u16>,
        /// Time to live, milliseconds.
        ttl_ms: u64,
    },
    /// Give leases back.
    Release {
        /// Who gives.
        owner: String,
        /// Its life.
        incarnation: String,
        /// Shards.
        shards: Vec<u16>,
    },
    /// All leases.
    Leases,
    /// Append entries.
    Append(Append),
    /// Read a part of a log.
    Read {
        /// Channel.
        channel: ChannelId,
        /// Part.
        range: Range,
        /// Entries at most.
        limit: usize,
    },
    /// Entries under an index.
    Indexed {
        /// Channel.
        channel: ChannelId,
        /// Index.
        index: String,
        /// After this place.
        after_seq: u64,
        /// Entries at most.
        limit: usize,
    },
    /// Entries at these places.
    Entries {
        /// Channel.
        channel: ChannelId,
        /// Places.
        seqs: Vec<u64>,
    },
    /// Ends of logs.
    Heads {
        /// Channels.
        channels: Vec<ChannelId>,
    },
    /// One entry.
    ById {
        /// Id.
        id: MessageId,
    },
    /// Channels with unpublished entries.
    Unpublished {
        /// Shard.
        shard: u16,
        /// Channels at most.
        limit: usize,
    },
    /// Move a published mark.
    MarkPublished {
        /// Shard.
        shard: u16,
        /// Channel.
        channel: ChannelId,
        /// Mark.
        seq: u64,
    },
    /// Move a read mark.
    SetRead {
        /// Reader.
        reader: String,
        /// Channel.
        channel: ChannelId,
        /// Mark.
        seq: u64,
        /// The channel's counts there.
        counts: Counts,
    },
    /// Note mentions.
    NoteMentions {
        /// Channel.
        channel: ChannelId,
        /// Place.
        seq: u64,
        /// Readers.
        readers: Vec<String>,
    },
    /// A reader's marks.
    ReadStates {
        /// Reader.
        reader: String,
    },
}
