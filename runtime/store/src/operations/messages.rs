//! Messages: leases, fenced appends with deduplication, logs, publication and read marks.

use archgen_ports::{
    ChannelId, MessageId, Position, UserId,
    messages::{
        APPEND_ENTRIES_MAX, Append, Appended, EntryOutcome, Lease, LogEntry, NewEntry, Range, ReadState, Unpublished,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, to_value};

use super::keys::{Key, fitting, last_text};
use crate::{
    committer::DecisionError,
    engine::{Engine, View},
};

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
    /// Newest places.
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
        /// User.
        user: UserId,
        /// Channel.
        channel: ChannelId,
        /// Mark.
        seq: u64,
    },
    /// A user's read marks.
    ReadStates {
        /// User.
        user: UserId,
    },
}

#[derive(Serialize, Deserialize)]
struct StoredLease {
    owner: String,
    incarnation: String,
    epoch: u64,
    /// By this node's wall clock, milliseconds since the Unix epoch. A wrong clock costs availability, never safety: appends
    /// are fenced by epoch alone.
    until_ms: u64,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Head {
    epoch: u64,
    seq: u64,
    published: u64,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    seq: u64,
    until_ms: u64,
}

const NAMESPACE: &str = "messages";

fn lease_key(shard: u16) -> Vec<u8> {
    // Built from constants and a number: no part can have a zero byte of its own.
    Key::new("messages-lease").number(u64::from(shard)).done()
}

fn entry_key(channel: &ChannelId, seq: u64) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("log")?.text(&channel.0)?.number(seq).done())
}

fn head_key(channel: &ChannelId) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("head")?.text(&channel.0)?.done())
}

fn id_key(id: &MessageId) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("id")?.text(&id.0)?.done())
}

fn seen_key(channel: &ChannelId, author: &UserId, client_id: &str) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new(NAMESPACE).text("seen")?.text(&channel.0)?.text(&author.0)?.text(client_id)?.done())
}

fn unpublished_key(shard: u16, channel: &ChannelId) -> Result<Vec<u8>, DecisionError> {
    Key::new("messages-unpublished").number(u64::from(shard)).text(&channel.0).map(Key::done)
}

fn read_key(user: &UserId) -> Result<Key, DecisionError> {
    Key::new(NAMESPACE).text("read")?.text(&user.0)
}

fn parse<T: DeserializeOwned>(bytes: Option<Vec<u8>>) -> Result<Option<T>, DecisionError> {
    Ok(bytes.map(|b| serde_json::from_slice(&b)).transpose()?)
}

/// Answers a read; `None` for a write. `now_ms` is the node's wall time.
///
/// # Errors
/// See [`DecisionError`].
pub fn read(engine: &dyn Engine, call: &MessagesCall, now_ms: u64) -> Result<Option<Value>, DecisionError> {
    Ok(Some(match call {
        MessagesCall::Leases => to_value(leases(engine, now_ms)?)?,
        MessagesCall::Read { channel, range, limit } => to_value(range_of(engine, channel, *range, *limit)?)?,
        MessagesCall::Heads { channels } => {
            let mut heads = Vec::new();
            for channel in channels {
                if let Some(head) = parse::<Head>(engine.get(&head_key(channel)?)?)? {
                    heads.push((channel, Position { epoch: head.epoch, seq: head.seq }));
                }
            }
            to_value(heads)?
        }
        MessagesCall::ById { id } => {
            let place: Option<(ChannelId, u64)> = parse(engine.get(&id_key(id)?)?)?;
            let found: Option<(ChannelId, LogEntry)> = match place {
                Some((channel, seq)) => parse(engine.get(&entry_key(&channel, seq)?)?)?.map(|e| (channel, e)),
                None => None,
            };
            to_value(found)?
        }
        MessagesCall::Unpublished { shard, limit } => {
            let (from, to) = Key::new("messages-unpublished").number(u64::from(*shard)).below();
            let mut found = Vec::new();
            for (key, _) in engine.scan(&from, &to, *limit, false)? {
                let channel = ChannelId(last_text(&key));
                let head: Head = parse(engine.get(&head_key(&channel)?)?)?.unwrap_or_default();
                found.push(Unpublished { channel, published: head.published, head: head.seq });
            }
            to_value(found)?
        }
        MessagesCall::ReadStates { user } => {
            let (from, to) = read_key(user)?.below();
            let mut states = Vec::new();
            for (key, value) in engine.scan(&from, &to, usize::MAX, false)? {
                states.push(ReadState { channel: ChannelId(last_text(&key)), seq: serde_json::from_slice(&value)? });
            }
            to_value(states)?
        }
        _ => return Ok(None),
    }))
}

fn leases(engine: &dyn Engine, now_ms: u64) -> Result<Vec<Lease>, DecisionError> {
    let (from, to) = Key::new("messages-lease").below();
    let mut all = Vec::new();
    for (key, value) in engine.scan(&from, &to, usize::MAX, false)? {
        let shard = key.last_chunk::<2>().map_or(0, |b| u16::from_be_bytes(*b));
        all.push(visible(shard, serde_json::from_slice(&value)?, now_ms));
    }
    Ok(all)
}

fn visible(shard: u16, stored: StoredLease, now_ms: u64) -> Lease {
    let StoredLease { owner, incarnation, epoch, until_ms } = stored;
    Lease { shard, owner, incarnation, epoch, left_ms: until_ms.saturating_sub(now_ms) }
}

fn range_of(
    engine: &dyn Engine,
    channel: &ChannelId,
    range: Range,
    limit: usize,
) -> Result<Vec<LogEntry>, DecisionError> {
    let (from, to, reverse) = match range {
        Range::After(seq) => (entry_key(channel, seq.saturating_add(1))?, entry_key(channel, u64::MAX)?, false),
        Range::Before(seq) => (entry_key(channel, 0)?, entry_key(channel, seq)?, true),
        Range::Latest => (entry_key(channel, 0)?, entry_key(channel, u64::MAX)?, true),
    };
    let pairs = engine.scan(&from, &to, limit, reverse)?;
    let fits = fitting(&pairs);
    let mut entries: Vec<LogEntry> =
        pairs.into_iter().take(fits).map(|(_, v)| serde_json::from_slice(&v)).collect::<Result<_, _>>()?;
    if reverse {
        entries.reverse();
    }
    Ok(entries)
}

/// Decides a write. `now_ms` is the node's wall time.
///
/// # Errors
/// See [`DecisionError`].
pub fn decide(view: &mut View<'_>, call: MessagesCall, now_ms: u64) -> Result<Value, DecisionError> {
    match call {
        MessagesCall::Lease { owner, incarnation, shards, ttl_ms } => {
            lease(view, &owner, &incarnation, &shards, ttl_ms, now_ms)
        }
        MessagesCall::Release { owner, incarnation, shards } => {
            for shard in shards {
                let stored: Option<StoredLease> = parse(view.get(&lease_key(shard))?)?;
                if let Some(stored) = stored.filter(|s| s.owner == owner && s.incarnation == incarnation) {
                    let free = StoredLease { until_ms: 0, ..stored };
                    view.put(lease_key(shard), serde_json::to_vec(&free)?);
                }
            }
            Ok(Value::Null)
        }
        MessagesCall::Append(append) => Ok(to_value(self::append(view, append, now_ms)?)?),
        MessagesCall::MarkPublished { shard, channel, seq } => {
            let mut head: Head = parse(view.get(&head_key(&channel)?)?)?.unwrap_or_default();
            if seq > head.published && seq <= head.seq {
                head.published = seq;
                view.put(head_key(&channel)?, serde_json::to_vec(&head)?);
            }
            if head.published == head.seq {
                view.delete(unpublished_key(shard, &channel)?);
            }
            Ok(Value::Null)
        }
        MessagesCall::SetRead { user, channel, seq } => {
            let key = read_key(&user)?.text(&channel.0)?.done();
            let current: u64 = parse(view.get(&key)?)?.unwrap_or(0);
            let mark = current.max(seq);
            view.put(key, serde_json::to_vec(&mark)?);
            Ok(mark.into())
        }
        _ => Err(DecisionError::Invalid("a read is not a decision".to_owned())),
    }
}

fn lease(
    view: &mut View<'_>,
    owner: &str,
    incarnation: &str,
    shards: &[u16],
    ttl_ms: u64,
    now_ms: u64,
) -> Result<Value, DecisionError> {
    let mut granted = Vec::with_capacity(shards.len());
    for shard in shards {
        let stored: Option<StoredLease> = parse(view.get(&lease_key(*shard))?)?;
        let (renewed, epoch) = match &stored {
            Some(s) if s.owner == owner && s.incarnation == incarnation => (true, s.epoch),
            // Another life of the same host is over, since this one asks.
            Some(s) if s.owner == owner || s.until_ms <= now_ms => (true, s.epoch + 1),
            Some(s) => (false, s.epoch),
            None => (true, 1),
        };
        let lease = match stored {
            Some(stored) if !renewed => stored,
            _ => {
                let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
                let taken = StoredLease { owner, incarnation, epoch, until_ms: now_ms.saturating_add(ttl_ms) };
                view.put(lease_key(*shard), serde_json::to_vec(&taken)?);
                taken
            }
        };
        granted.push(visible(*shard, lease, now_ms));
    }
    Ok(to_value(granted)?)
}

#[cfg(not(sabotage))]
fn is_fenced(epoch: u64, newest: u64) -> bool {
    epoch < newest
}

#[cfg(sabotage)]
fn is_fenced(epoch: u64, newest: u64) -> bool {
    epoch < newest && crate::sabotage::active() != Some(crate::sabotage::Sabotage::NoFence)
}

#[cfg(not(sabotage))]
fn head_moved(known: u64, head: u64) -> bool {
    known != head
}

/// Without the fence the head is not compared either: together they keep a stale owner out.
#[cfg(sabotage)]
fn head_moved(known: u64, head: u64) -> bool {
    known != head && crate::sabotage::active() != Some(crate::sabotage::Sabotage::NoFence)
}

fn append(view: &mut View<'_>, append: Append, now_ms: u64) -> Result<Appended, DecisionError> {
    let Append { shard, epoch, channel, head: known, dedup_ms, entries } = append;
    if entries.len() > APPEND_ENTRIES_MAX {
        return Err(DecisionError::Invalid(format!("more than {APPEND_ENTRIES_MAX} entries")));
    }
    let newest = parse::<StoredLease>(view.get(&lease_key(shard))?)?.map_or(0, |l| l.epoch);
    if is_fenced(epoch, newest) {
        return Ok(Appended::Fenced { epoch: newest });
    }
    let mut head: Head = parse(view.get(&head_key(&channel)?)?)?.unwrap_or_default();
    if head_moved(known, head.seq) {
        return Ok(Appended::HeadMoved { head: head.seq });
    }
    #[cfg(sabotage)]
    if crate::sabotage::active() == Some(crate::sabotage::Sabotage::NoFence) {
        // What a blind write at the place that the owner believes in does: it overwrites.
        head.seq = known;
    }
    let mut outcomes = Vec::with_capacity(entries.len());
    let before = head.seq;
    for entry in entries {
        if let Some(earlier) = seen(view, &channel, &entry, now_ms)? {
            outcomes.push(EntryOutcome { entry: earlier, duplicate: true });
            continue;
        }
        head.seq += 1;
        head.epoch = epoch;
        let written = write(view, &channel, entry, Position { epoch, seq: head.seq }, now_ms.saturating_add(dedup_ms))?;
        outcomes.push(EntryOutcome { entry: written, duplicate: false });
    }
    if head.seq > before {
        view.put(head_key(&channel)?, serde_json::to_vec(&head)?);
        view.put(unpublished_key(shard, &channel)?, Vec::new());
    }
    Ok(Appended::Applied(outcomes))
}

/// The earlier entry with the same author and client id, within the dedup time.
fn seen(
    view: &View<'_>,
    channel: &ChannelId,
    entry: &NewEntry,
    now_ms: u64,
) -> Result<Option<LogEntry>, DecisionError> {
    #[cfg(sabotage)]
    if crate::sabotage::active() == Some(crate::sabotage::Sabotage::NoDedup) {
        return Ok(None);
    }
    let Some(client_id) = &entry.client_msg_id else { return Ok(None) };
    let seen: Option<Seen> = parse(view.get(&seen_key(channel, &entry.author, client_id)?)?)?;
    match seen.filter(|s| s.until_ms > now_ms) {
        Some(seen) => parse(view.get(&entry_key(channel, seen.seq)?)?),
        None => Ok(None),
    }
}

fn write(
    view: &mut View<'_>,
    channel: &ChannelId,
    entry: NewEntry,
    position: Position,
    seen_until_ms: u64,
) -> Result<LogEntry, DecisionError> {
    if view.get(&id_key(&entry.id)?)?.is_some() {
        return Err(DecisionError::Invalid(format!("the id {} is taken; draw another", entry.id)));
    }
    if let Some(revision) = entry.revises
        && let Some(mut target) = parse::<LogEntry>(view.get(&entry_key(channel, revision.seq)?)?)?
    {
        target.revised_by = position.seq;
        // What is deleted stays deleted, whatever comes after.
        target.deleted = target.deleted || revision.data.is_none();
        target.data = if target.deleted { Value::Null } else { revision.data.unwrap_or(Value::Null) };
        view.put(entry_key(channel, revision.seq)?, serde_json::to_vec(&target)?);
    }
    if let Some(client_id) = &entry.client_msg_id {
        let seen = Seen { seq: position.seq, until_ms: seen_until_ms };
        view.put(seen_key(channel, &entry.author, client_id)?, serde_json::to_vec(&seen)?);
    }
    let written = LogEntry {
        position,
        id: entry.id,
        kind: entry.kind,
        author: entry.author,
        ts: entry.ts,
        client_msg_id: entry.client_msg_id,
        data: entry.data,
        revised_by: 0,
        deleted: false,
    };
    view.put(id_key(&written.id)?, serde_json::to_vec(&(channel, position.seq))?);
    view.put(entry_key(channel, position.seq)?, serde_json::to_vec(&written)?);
    Ok(written)
}
