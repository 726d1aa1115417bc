//! Keys and values of the messages port in the engine.

use std::collections::BTreeSet;

use archgen_ports::{
    ChannelId, MessageId, UserId,
    messages::{Counts, ReadState},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{committer::DecisionError, engine::View, operations::keys::Key};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredLease {
    pub(super) owner: String,
    pub(super) incarnation: String,
    pub(super) epoch: u64,
    /// By this node's wall clock, milliseconds since the Unix epoch. A wrong clock costs availability, never safety: appends
    /// are fenced by epoch alone.
    pub(super) until_ms: u64,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct StoredHead {
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) published: u64,
    pub(super) counts: Counts,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) seq: u64,
    pub(super) until_ms: u64,
}

const NAMESPACE: &str = "messages";

pub(super) fn lease_key(shard: u16) -> Vec<u8> {
    // Built from constants and a number: no part can have a zero byte of its own.
    Key::new("messages-lease").number(u64::from(shard)).done()
}

pub(super) fn entry_key(channel: &ChannelId, seq: u64) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("log")?.text(&channel.0)?.number(seq).done())
}

pub(super) fn head_key(channel: &ChannelId) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("head")?.text(&channel.0)?.done())
}

pub(super) fn id_key(id: &MessageId) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("id")?.text(&id.0)?.done())
}

pub(super) fn seen_key(channel: &ChannelId, author: &UserId, client_id: &str) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("seen")?.text(&channel.0)?.text(&author.0)?.text(client_id)?.done())
}

pub(super) fn unpublished_key(shard: u16, channel: &ChannelId) -> Result<Vec<u8>, DecisionError> {
    Key::new("messages-unpublished").number(u64::from(shard)).text(&channel.0).map(Key::done)
}

/// A dedup key by its end: what has ended is deleted in passing.
pub(super) fn expiry_key(until_ms: u64, seen: &[u8]) -> Vec<u8> {
    let mut key = Key::new("messages-expiry").number(until_ms).done();
    key.extend_from_slice(seen);
    key
}

pub(super) fn index_key(channel: &ChannelId, index: &str, seq: u64) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("index")?.text(&channel.0)?.text(index)?.number(seq).done())
}

pub(super) fn read_key(reader: &str) -> Result<Key, DecisionError> {
    Key::new(NAMESPACE).text("read")?.text(reader)
}

pub(super) fn parse<T: DeserializeOwned>(bytes: Option<Vec<u8>>) -> Result<Option<T>, DecisionError> {
    Ok(bytes.map(|b| serde_json::from_slice(&b)).transpose()?)
}

pub(super) fn read_state(view: &View<'_>, key: &[u8], channel: ChannelId) -> Result<ReadState, DecisionError> {
    let unread = || ReadState { channel, seq: 0, counts: Counts::default(), mentions: BTreeSet::new() };
    Ok(parse(view.get(key)?)?.unwrap_or_else(unread))
}
