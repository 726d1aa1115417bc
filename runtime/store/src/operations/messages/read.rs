//! Reads of logs, heads and marks.

use archgen_env::sabotage::{Bug, is_planted};
use archgen_ports::{
    ChannelId, Position,
    messages::{APPEND_ENTRIES_MAX, Head, LogEntry, Range, ReadState, Unpublished},
};
use serde_json::{Value, to_value};

use super::{
    call::MessagesCall,
    lease::leases,
    stored::{StoredHead, entry_key, head_key, id_key, index_key, parse, read_key},
};
use crate::{
    committer::DecisionError,
    engine::Engine,
    operations::keys::{Key, fitting, last_text},
};

/// Answers a read; `None` for a write. `now_ms` is the node's wall time.
///
/// # Errors
/// See [`DecisionError`].
pub fn read(engine: &dyn Engine, call: &MessagesCall, now_ms: u64) -> Result<Option<Value>, DecisionError> {
    Ok(Some(match call {
        MessagesCall::Leases => to_value(leases(engine, now_ms)?)?,
        MessagesCall::Read { channel, range, limit } => to_value(range_of(engine, channel, *range, *limit)?)?,
        MessagesCall::Indexed { channel, index, after_seq, limit } => {
            let from = index_key(channel, index, after_seq.saturating_add(1))?;
            let to = index_key(channel, index, u64::MAX)?;
            let places = engine.scan(&from, &to, *limit, false)?;
            let seqs = places.iter().filter_map(|(key, _)| key.last_chunk::<8>().map(|b| u64::from_be_bytes(*b)));
            to_value(at(engine, channel, seqs)?)?
        }
        MessagesCall::Entries { channel, seqs } => {
            if seqs.len() > APPEND_ENTRIES_MAX {
                return Err(DecisionError::Invalid(format!("more than {APPEND_ENTRIES_MAX} entries")));
            }
            to_value(at(engine, channel, seqs.iter().copied())?)?
        }
        MessagesCall::Heads { channels } => {
            let mut heads = Vec::new();
            for channel in channels {
                if let Some(head) = parse::<StoredHead>(engine.get(&head_key(channel)?)?)? {
                    let StoredHead { epoch, seq, published, counts } = head;
                    heads.push((channel, Head { position: Position { epoch, seq }, counts, published }));
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
                let head: StoredHead = parse(engine.get(&head_key(&channel)?)?)?.unwrap_or_default();
                found.push(Unpublished { channel, published: head.published, head: head.seq });
            }
            to_value(found)?
        }
        MessagesCall::ReadStates { reader } => {
            let (from, to) = read_key(reader)?.below();
            let states = engine.scan(&from, &to, usize::MAX, false)?.into_iter();
            to_value(states.map(|(_, v)| serde_json::from_slice(&v)).collect::<Result<Vec<ReadState>, _>>()?)?
        }
        _ => return Ok(None),
    }))
}

/// Entries at these places, as many as fit into one answer, at least one.
fn at(
    engine: &dyn Engine,
    channel: &ChannelId,
    seqs: impl Iterator<Item = u64>,
) -> Result<Vec<LogEntry>, DecisionError> {
    let mut pairs = Vec::new();
    for seq in seqs {
        let key = entry_key(channel, seq)?;
        pairs.extend(engine.get(&key)?.map(|value| (key, value)));
    }
    let fits = fitting(&pairs);
    Ok(pairs.into_iter().take(fits).map(|(_, v)| serde_json::from_slice(&v)).collect::<Result<_, _>>()?)
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
    if is_planted(Bug::StaleRead) && !reverse {
        entries.pop();
    }
    if reverse {
        entries.reverse();
    }
    Ok(entries)
}
