//! Appending: one write to one partition, and beside it what is derived from the entries. A send is one round trip.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::{
    ChannelId, StoreError,
    messages::{APPEND_ENTRIES_MAX, Append, Appended, Counts, EntryOutcome, LogEntry, NewEntry},
};
use futures_util::future::{join, try_join_all};
use tokio::time::Instant;

use super::{
    channels::{Channel, Channels, ClientKey, Taken, client_key, take_up},
    leases::Leases,
    link::{Link, Values, big, int, text},
    log,
    marks::{hour, touch},
    statements::Cql,
    terms::{bucket, epoch_of},
};
use crate::Failure;

/// Rows that go with an entry outside of the partition `within`: where its id is, and what it makes of an earlier entry.
pub(super) fn derived(channel: &ChannelId, seq: i64, term: i64, entry: &NewEntry, within: i64) -> Vec<(Cql, Values)> {
    let id = vec![text(entry.id.as_str()), text(channel.as_str()), big(seq), big(term)];
    let mut rows = vec![(Cql::ByIdPut, id)];
    if let Some(name) = &entry.index {
        rows.push((Cql::IndexPut, vec![text(channel.as_str()), text(name), big(seq), big(term)]));
    }
    rows.extend(revision(channel, seq, term, entry).filter(|(at, _)| *at != within).map(|(_, row)| row));
    rows
}

/// What an entry makes of an earlier one, and the bucket of that.
fn revision(channel: &ChannelId, seq: i64, term: i64, entry: &NewEntry) -> Option<(i64, (Cql, Values))> {
    let revision = entry.revises.as_ref()?;
    let target = revision.seq as i64;
    let values = vec![
        text(channel.as_str()),
        big(bucket(target)),
        big(target),
        big(seq),
        big(term),
        Some(scylla::value::CqlValue::Boolean(revision.data.is_none())),
        revision.data.as_ref().and_then(|data| text(data.to_string())),
    ];
    Some((bucket(target), (Cql::RevisionPut, values)))
}

/// A new entry and its place.
struct Fresh {
    seq: i64,
    /// The channel's counts with it.
    counts: Counts,
    entry: NewEntry,
}

/// Rows of an entry in its own partition.
fn own(
    channel: &ChannelId,
    fresh: &Fresh,
    (term, batch): (i64, i64),
    seconds: i32,
) -> Result<Vec<(Cql, Values)>, StoreError> {
    let Fresh { seq, counts, entry } = fresh;
    let seq = *seq;
    let json = serde_json::to_string(entry).map_err(|error| StoreError::Refused(error.to_string()))?;
    let at = bucket(seq);
    let partition = || [text(channel.as_str()), big(at)].into_iter();
    let counts = [big(counts.messages as i64), big(counts.everyone as i64)];
    let log = partition().chain([big(seq), big(term), big(batch)]).chain(counts).chain([text(json)]);
    let mut rows = vec![(Cql::EntryPut, log.collect::<Values>())];
    if let Some((author, id)) = client_key(entry) {
        let rest = [text(author), text(id), big(seq), big(term), int(seconds)];
        rows.push((Cql::SeenPut, partition().chain(rest).collect()));
    }
    rows.extend(revision(channel, seq, term, entry).filter(|(its, _)| *its == at).map(|(_, row)| row));
    Ok(rows)
}

/// What an append will do: an outcome for each entry, and the entries that are new, with their places.
struct Decision {
    /// The place of each entry, and whether it was there already.
    places: Vec<(i64, bool)>,
    fresh: Vec<Fresh>,
}

/// See [`archgen_ports::messages::Messages::append`].
pub(super) async fn append(
    link: &Link,
    leases: &Leases,
    channels: &Channels,
    append: Append,
) -> Result<Appended, StoreError> {
    if append.entries.len() > APPEND_ENTRIES_MAX {
        return Err(StoreError::Refused(format!("more than {APPEND_ENTRIES_MAX} entries")));
    }
    let certain = leases.certain_until(append.shard, append.epoch);
    if certain.is_none_or(|until| Instant::now() >= until) {
        let newest = leases.newest(link, append.shard).await?;
        if newest > append.epoch {
            return Ok(Appended::Fenced { epoch: newest });
        }
    }
    let slot = channels.slot(&append.channel);
    let mut turn = slot.lock().await;
    // Whoever leaves early, by an error or because nobody waits any longer, leaves no channel: the next append begins a new term,
    // under which nothing of this one can surface.
    let mut channel = match turn.take() {
        Some(channel) if epoch_of(channel.term) == append.epoch => channel,
        _ => match take_up(link, &append.channel, append.shard, append.epoch).await {
            Ok(Taken::Up(channel)) => *channel,
            Ok(Taken::Fenced(epoch)) => return Ok(Appended::Fenced { epoch }),
            // Nothing of the append was sent.
            Err(error) => return Err(StoreError::Refused(error.to_string())),
        },
    };
    if channel.head != append.head as i64 {
        let head = channel.head as u64;
        *turn = Some(channel);
        return Ok(Appended::HeadMoved { head });
    }
    let decision = decide(link, &channel, &append).await?;
    if !decision.fresh.is_empty() {
        channels.to_publish(append.shard, [append.channel.clone()], false);
        write(link, &mut channel, &append, &decision).await?;
        if certain.is_none_or(|until| Instant::now() >= until)
            && let Some(lost) = overtaken(link, leases, &append, channel.term, decision.fresh[0].seq).await?
        {
            return lost;
        }
    }
    let term = channel.term;
    *turn = Some(channel);
    drop(turn);
    outcomes(link, term, &append, decision).await
}

/// Decides which entries are new, and where they go.
async fn decide(link: &Link, channel: &Channel, append: &Append) -> Result<Decision, StoreError> {
    let mut decision = Decision { places: Vec::with_capacity(append.entries.len()), fresh: Vec::new() };
    let mut here: BTreeMap<ClientKey, i64> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut counts = channel.counts;
    for entry in &append.entries {
        let key = client_key(entry);
        let earlier = match &key {
            Some(key) if here.contains_key(key) => here.get(key).copied(),
            Some(key) => seen(link, channel, append, key).await?,
            None => None,
        };
        if let Some(seq) = earlier {
            decision.places.push((seq, true));
            continue;
        }
        if !ids.insert(&entry.id) {
            return Err(StoreError::Refused(format!("the id {} is taken; draw another", entry.id)));
        }
        let seq = channel.head + 1 + decision.fresh.len() as i64;
        if let Some(key) = key {
            here.insert(key, seq);
        }
        decision.places.push((seq, false));
        counts = counts.plus(entry.adds);
        decision.fresh.push(Fresh { seq, counts, entry: entry.clone() });
    }
    Ok(decision)
}

/// The place of an earlier entry with this client id: from memory, where that knows all; else from the channel's last buckets.
async fn seen(link: &Link, channel: &Channel, append: &Append, key: &ClientKey) -> Result<Option<i64>, StoreError> {
    let now_ms = link.env.wall_ms();
    if let Some(seq) = channel.client_ids.place(key, now_ms, append.dedup_ms) {
        return Ok(Some(seq));
    }
    if channel.head == 0 || channel.client_ids.covers(now_ms, append.dedup_ms) {
        return Ok(None);
    }
    let terms = log::terms(link, &append.channel).await?;
    for number in (0..=bucket(channel.head)).rev() {
        let newest = channel.head.min(super::terms::bucket_end(number));
        let last = log::tail(link, &append.channel, &terms, newest, 1).await?;
        let written_ms = last.first().map_or(0, |row| row.stamp / 1_000) as u64;
        if written_ms.saturating_add(append.dedup_ms) < now_ms {
            break;
        }
        let values = vec![text(append.channel.as_str()), big(number), text(key.0.as_str()), text(key.1.as_str())];
        let places: Vec<(i64,)> = link.rows(Cql::Seen, values).await?;
        for (seq,) in places {
            let entry = log::at(link, &append.channel, seq).await?;
            let same = |e: &LogEntry| e.author.0 == key.0 && e.client_msg_id.as_ref() == Some(&key.1);
            if entry.is_some_and(|e| same(&e)) {
                return Ok(Some(seq));
            }
        }
    }
    Ok(None)
}

/// Writes the new entries, bucket by bucket: almost always one.
async fn write(link: &Link, channel: &mut Channel, append: &Append, decision: &Decision) -> Result<(), StoreError> {
    let (stamp, term, batch) = (link.stamps.next(), channel.term, channel.head + 1);
    let seconds = i32::try_from(append.dedup_ms.div_ceil(1_000)).unwrap_or(i32::MAX).max(1);
    let (mut first, mut rest) = (BTreeMap::<i64, Vec<(Cql, Values)>>::new(), Vec::new());
    for fresh in &decision.fresh {
        let at = bucket(fresh.seq);
        first.entry(at).or_default().extend(own(&append.channel, fresh, (term, batch), seconds)?);
        rest.extend(derived(&append.channel, fresh.seq, term, &fresh.entry, at));
    }
    let now = hour(link);
    if channel.touched_hour != Some(now) {
        rest.push(touch(append.shard, now, &append.channel));
    }
    let beside = try_join_all(rest.into_iter().map(|(cql, values)| link.write(cql, values, Some(stamp))));
    let log = async {
        for (number, rows) in first.into_values().enumerate() {
            let sent = link.batch(rows, stamp).await;
            // What went before it is there already.
            sent.map_err(|failure| if number > 0 { lost(failure) } else { failure })?;
        }
        Ok(())
    };
    let written = async {
        let (log, beside) = join(log, beside).await;
        log?;
        beside.map(drop).map_err(lost)
    };
    link.guard.write(written).await?;
    channel.touched_hour = Some(now);
    let written_ms = link.env.wall_ms();
    for fresh in &decision.fresh {
        (channel.head, channel.counts) = (fresh.seq, fresh.counts);
        if let Some(key) = client_key(&fresh.entry) {
            channel.client_ids.learn(key, fresh.seq, written_ms);
        }
    }
    Ok(())
}

/// A failure after a part of the append is there.
fn lost(failure: Failure) -> Failure {
    let (Failure::Unreachable(why) | Failure::Refused(why) | Failure::Lost(why)) = failure;
    Failure::Lost(why)
}

/// What became of an append that ended when the lease may have been over; `None` where the shard is still ours.
async fn overtaken(
    link: &Link,
    leases: &Leases,
    append: &Append,
    term: i64,
    first: i64,
) -> Result<Option<Result<Appended, StoreError>>, StoreError> {
    let unknown = |why: String| Err(StoreError::Indeterminate(why));
    let newest = match leases.newest(link, append.shard).await {
        Ok(newest) => newest,
        Err(error) => return Ok(Some(unknown(error.to_string()))),
    };
    if newest <= append.epoch {
        return Ok(None);
    }
    let terms = match log::terms(link, &append.channel).await {
        Ok(terms) => terms,
        Err(error) => return Ok(Some(unknown(error.to_string()))),
    };
    let next = terms.begins.iter().rfind(|newer| newer.term > term);
    Ok(match next {
        // The new owner found it.
        Some(newer) if newer.seq > first => None,
        Some(_) => Some(Ok(Appended::Fenced { epoch: newest })),
        None => Some(unknown("the shard changed hands while the append was under way".to_owned())),
    })
}

async fn outcomes(link: &Link, term: i64, append: &Append, decision: Decision) -> Result<Appended, StoreError> {
    let mut fresh: BTreeMap<i64, Fresh> = decision.fresh.into_iter().map(|fresh| (fresh.seq, fresh)).collect();
    let mut entries = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(decision.places.len());
    for (seq, duplicate) in decision.places {
        if let Some(Fresh { counts, entry, .. }) = fresh.remove(&seq) {
            entries.insert(seq, log::log_entry(seq, term, counts, entry));
        }
        let entry = match entries.get(&seq) {
            Some(entry) => entry.clone(),
            None => {
                let found = log::at(link, &append.channel, seq).await;
                let found = found.map_err(|error| StoreError::Indeterminate(error.to_string()))?;
                found.ok_or_else(|| StoreError::Indeterminate(format!("the entry at {seq} is over its time")))?
            }
        };
        outcomes.push(EntryOutcome { entry, duplicate });
    }
    Ok(Appended::Applied(outcomes))
}
