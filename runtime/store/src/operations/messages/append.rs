//! The append: fenced, dense, once per client id, all or nothing.

use archgen_env::sabotage::{Bug, is_planted};
use archgen_ports::{
    ChannelId, Position,
    messages::{APPEND_ENTRIES_MAX, Append, Appended, EntryOutcome, LogEntry, NewEntry},
};
use serde_json::Value;

use super::stored::{
    Seen, StoredHead, StoredLease, entry_key, expiry_key, head_key, id_key, index_key, lease_key, parse, seen_key,
    unpublished_key,
};
use crate::{committer::DecisionError, engine::View, operations::keys::Key};

/// Dedup keys deleted by one append.
const FORGOTTEN_AT_ONCE: usize = 512;

fn is_fenced(epoch: u64, newest: u64) -> bool {
    epoch < newest && !is_planted(Bug::NoFence)
}

/// Without the fence the head is not compared either: together they keep a stale owner out.
fn head_moved(known: u64, head: u64) -> bool {
    known != head && !is_planted(Bug::NoFence)
}

pub(super) fn append(view: &mut View<'_>, append: Append, now_ms: u64) -> Result<Appended, DecisionError> {
    let Append { shard, epoch, channel, head: known, dedup_ms, entries } = append;
    if entries.len() > APPEND_ENTRIES_MAX {
        return Err(DecisionError::Invalid(format!("more than {APPEND_ENTRIES_MAX} entries")));
    }
    let newest = parse::<StoredLease>(view.get(&lease_key(shard))?)?.map_or(0, |l| l.epoch);
    if is_fenced(epoch, newest) {
        return Ok(Appended::Fenced { epoch: newest });
    }
    let mut head: StoredHead = parse(view.get(&head_key(&channel)?)?)?.unwrap_or_default();
    if head_moved(known, head.seq) {
        return Ok(Appended::HeadMoved { head: head.seq });
    }
    if is_planted(Bug::NoFence) {
        // What a blind write at the place that the owner believes in does: it overwrites.
        head.seq = known;
    }
    forget_ended(view, now_ms)?;
    let mut outcomes = Vec::with_capacity(entries.len());
    let before = head.seq;
    for entry in entries {
        if let Some(earlier) = seen(view, &channel, &entry, now_ms)? {
            outcomes.push(EntryOutcome { entry: earlier, duplicate: true });
            continue;
        }
        head.seq += 1;
        head.epoch = epoch;
        head.counts = head.counts.plus(entry.adds);
        let written = write(view, &channel, entry, head, now_ms.saturating_add(dedup_ms))?;
        outcomes.push(EntryOutcome { entry: written, duplicate: false });
    }
    if head.seq > before {
        view.put(head_key(&channel)?, serde_json::to_vec(&head)?);
        view.put(unpublished_key(shard, &channel)?, Vec::new());
    }
    Ok(Appended::Applied(outcomes))
}

/// Deletes a few dedup keys whose time is over: more than an append writes on average, so that they do not pile up.
fn forget_ended(view: &mut View<'_>, now_ms: u64) -> Result<(), DecisionError> {
    let (from, _) = Key::new("messages-expiry").below();
    let to = expiry_key(now_ms.saturating_add(1), &[]);
    for (key, seen) in view.scan(&from, &to, FORGOTTEN_AT_ONCE, false)? {
        // A key that was written anew meanwhile has a later end.
        if parse::<Seen>(view.get(&seen)?)?.is_some_and(|s| s.until_ms <= now_ms) {
            view.delete(seen);
        }
        view.delete(key);
    }
    Ok(())
}

/// The earlier entry with the same author and client id, within the dedup time.
fn seen(
    view: &View<'_>,
    channel: &ChannelId,
    entry: &NewEntry,
    now_ms: u64,
) -> Result<Option<LogEntry>, DecisionError> {
    if is_planted(Bug::NoDedup) {
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
    head: StoredHead,
    seen_until_ms: u64,
) -> Result<LogEntry, DecisionError> {
    let position = Position { epoch: head.epoch, seq: head.seq };
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
        let key = seen_key(channel, &entry.author, client_id)?;
        view.put(expiry_key(seen_until_ms, &key), key.clone());
        view.put(key, serde_json::to_vec(&seen)?);
    }
    if let Some(index) = &entry.index {
        view.put(index_key(channel, index, position.seq)?, Vec::new());
    }
    let written = LogEntry {
        position,
        id: entry.id,
        kind: entry.kind,
        author: entry.author,
        ts: entry.ts,
        client_msg_id: entry.client_msg_id,
        data: entry.data,
        counts: head.counts,
        revised_by: 0,
        deleted: false,
    };
    view.put(id_key(&written.id)?, serde_json::to_vec(&(channel, position.seq))?);
    view.put(entry_key(channel, position.seq)?, serde_json::to_vec(&written)?);
    Ok(written)
}
