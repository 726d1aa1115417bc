//! What an owner knows of each channel that it writes to, and how it takes one up.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use archgen_ports::{
    ChannelId, StoreError,
    messages::{Counts, NewEntry},
};
use tokio::sync::Mutex as Turn;

use super::{
    append::derived,
    link::{Link, Values, big, text},
    log,
    log::Written,
    statements::Cql,
    terms::{Terms, bucket, epoch_of, first_term},
};

/// Channels that are remembered; those that were not used for longest are forgotten first, and taken up again when needed.
const CHANNELS_MAX: usize = 4_096;
/// Entries that are read when a channel is taken up: the last append is completed, and client ids are learned.
const TAIL_ENTRIES: usize = 512;
/// Client ids that are remembered of one channel.
const CLIENT_IDS_MAX: usize = 1_024;
/// Tries to begin a term while entries of older ones still arrive.
const TRIES_MAX: u32 = 8;
/// Clocks of owners differ by less, milliseconds.
const SKEW_MS: u64 = 10 * 60_000;

/// Author and client id.
pub(super) type ClientKey = (String, String);

/// The client id of an entry, with its author.
pub(super) fn client_key(entry: &NewEntry) -> Option<ClientKey> {
    entry.client_msg_id.as_ref().map(|id| (entry.author.0.clone(), id.clone()))
}

/// The client ids of the newest entries.
#[derive(Default)]
pub(super) struct ClientIds {
    places: BTreeMap<ClientKey, (i64, u64)>,
    order: VecDeque<(u64, ClientKey)>,
    /// All ids of entries written since then are here, milliseconds since the Unix epoch.
    since_ms: u64,
}

impl ClientIds {
    /// The entry with this id, written less than `dedup_ms` ago.
    pub(super) fn place(&self, key: &ClientKey, now_ms: u64, dedup_ms: u64) -> Option<i64> {
        let (seq, written_ms) = self.places.get(key)?;
        (written_ms.saturating_add(dedup_ms) > now_ms).then_some(*seq)
    }

    /// Whether an id that is not here was certainly not used within this time.
    pub(super) fn covers(&self, now_ms: u64, dedup_ms: u64) -> bool {
        self.since_ms == 0 || self.since_ms.saturating_add(SKEW_MS) <= now_ms.saturating_sub(dedup_ms)
    }

    pub(super) fn learn(&mut self, key: ClientKey, seq: i64, written_ms: u64) {
        self.places.insert(key.clone(), (seq, written_ms));
        self.order.push_back((written_ms, key));
        while self.order.len() > CLIENT_IDS_MAX
            && let Some((oldest_ms, key)) = self.order.pop_front()
        {
            self.since_ms = self.since_ms.max(oldest_ms + 1);
            if self.places.get(&key).is_some_and(|(_, written_ms)| *written_ms == oldest_ms) {
                self.places.remove(&key);
            }
        }
    }
}

/// A channel that is taken up.
pub(super) struct Channel {
    pub(super) term: i64,
    pub(super) head: i64,
    pub(super) counts: Counts,
    pub(super) client_ids: ClientIds,
    /// The hour under which the channel was last listed as written to.
    pub(super) touched_hour: Option<i64>,
}

/// A channel's place: whoever has the turn writes.
pub(super) type Slot = Arc<Turn<Option<Channel>>>;

/// Slots, each with when it was last used, on a clock that counts uses.
#[derive(Default)]
struct Slots {
    uses: u64,
    of: BTreeMap<ChannelId, (u64, Slot)>,
}

/// The channels that are taken up.
#[derive(Default)]
pub(super) struct Channels {
    slots: Mutex<Slots>,
    /// Channels of each shard that may have unpublished entries.
    unpublished: Mutex<BTreeMap<u16, BTreeSet<ChannelId>>>,
}

impl Channels {
    pub(super) fn slot(&self, channel: &ChannelId) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Slots { uses, of } = &mut *slots;
        *uses += 1;
        if let Some((used, slot)) = of.get_mut(channel) {
            *used = *uses;
            return slot.clone();
        }
        if of.len() >= CHANNELS_MAX {
            // A tenth at a time; never one that somebody is about to use.
            let mut idle: Vec<(u64, ChannelId)> = of
                .iter()
                .filter(|(_, (_, slot))| Arc::strong_count(slot) == 1)
                .map(|(channel, (used, _))| (*used, channel.clone()))
                .collect();
            idle.sort();
            for (_, channel) in idle.into_iter().take(CHANNELS_MAX / 10) {
                of.remove(&channel);
            }
        }
        let slot = Slot::default();
        of.insert(channel.clone(), (*uses, slot.clone()));
        slot
    }

    /// The channels of a shard that may have unpublished entries; `None` where nobody looked yet.
    pub(super) fn unpublished(&self, shard: u16) -> Option<BTreeSet<ChannelId>> {
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner).get(&shard).cloned()
    }

    /// Remembers channels that may have unpublished entries. `all` says that these are all.
    pub(super) fn to_publish(&self, shard: u16, channels: impl IntoIterator<Item = ChannelId>, all: bool) {
        let mut unpublished = self.unpublished.lock().unwrap_or_else(PoisonError::into_inner);
        if all {
            unpublished.entry(shard).or_default().extend(channels);
        } else if let Some(known) = unpublished.get_mut(&shard) {
            known.extend(channels);
        }
    }

    /// A channel of a shard is published.
    pub(super) fn published(&self, shard: u16, channel: &ChannelId) {
        let mut unpublished = self.unpublished.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = unpublished.get_mut(&shard) {
            known.remove(channel);
        }
    }

    /// What was known of a shard may be old: another owned it.
    pub(super) fn forget_shard(&self, shard: u16) {
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner).remove(&shard);
    }
}

/// What came of taking a channel up.
pub(super) enum Taken {
    Up(Box<Channel>),
    /// A newer epoch has written to it.
    Fenced(u64),
}

/// Takes a channel up under this epoch: begins a term beyond the last entry that stands, and completes what the last append may
/// have left undone.
pub(super) async fn take_up(link: &Link, channel: &ChannelId, shard: u16, epoch: u64) -> Result<Taken, StoreError> {
    let older = log::terms(link, channel).await?;
    let newest = older.newest().unwrap_or(0);
    if epoch_of(newest) > epoch {
        return Ok(Taken::Fenced(epoch_of(newest)));
    }
    let term = if epoch_of(newest) == epoch { newest + 1 } else { first_term(epoch) };
    let mut head = log::head(link, channel, &older).await?;
    for _ in 0..TRIES_MAX {
        let counts = [big(head.counts.messages as i64), big(head.counts.everyone as i64)];
        let values = [text(channel.as_str()), big(term), big(head.seq + 1)].into_iter().chain(counts).collect();
        link.guard.write(link.write(Cql::TermPut, values, Some(link.stamps.next()))).await?;
        // What arrived until the term began may have been read by somebody: it stands.
        let now = log::terms(link, channel).await?;
        if let Some(newer) = now.newest().filter(|newest| *newest > term) {
            return match epoch_of(newer) > epoch {
                true => Ok(Taken::Fenced(epoch_of(newer))),
                false => Err(StoreError::Refused("another writer has the channel under this epoch".to_owned())),
            };
        }
        let arrived = log::head(link, channel, &now.before(term)).await?;
        if arrived.seq <= head.seq {
            let client_ids = complete(link, channel, shard, &now, head.seq).await?;
            let (head, counts) = (head.seq, head.counts);
            return Ok(Taken::Up(Box::new(Channel { term, head, counts, client_ids, touched_hour: None })));
        }
        head = arrived;
    }
    Err(StoreError::Refused("entries of an earlier owner keep arriving".to_owned()))
}

/// Writes what goes with the entries of the last append once more, and learns the newest client ids.
async fn complete(
    link: &Link,
    channel: &ChannelId,
    shard: u16,
    terms: &Terms,
    head: i64,
) -> Result<ClientIds, StoreError> {
    let tail = log::tail(link, channel, terms, head, TAIL_ENTRIES).await?;
    let batch = tail.last().map_or(1, |last| last.batch);
    let last: Vec<&Written> = tail.iter().filter(|row| row.seq >= batch).collect();
    let stamp = link.stamps.next();
    let mut writes: Vec<(Cql, Values)> =
        last.iter().flat_map(|row| derived(channel, row.seq, row.term, &row.entry, bucket(row.seq))).collect();
    if head > terms.published {
        writes.push(super::marks::touch(shard, super::marks::hour(link), channel));
    }
    let sent = writes.into_iter().map(|(cql, values)| link.write(cql, values, Some(stamp)));
    link.guard.write(futures_util::future::try_join_all(sent)).await?;
    let mut known = ClientIds::default();
    if let Some(first) = tail.first().filter(|first| first.seq > 1) {
        known.since_ms = (first.stamp / 1_000).max(1) as u64;
    }
    for row in &tail {
        if let Some(key) = client_key(&row.entry) {
            known.learn(key, row.seq, (row.stamp / 1_000) as u64);
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_say_when_they_know_all() {
        let mut ids = ClientIds::default();
        let key = |n: usize| ("ada".to_owned(), n.to_string());
        assert!(ids.covers(5, 10), "an empty channel has none");
        for n in 0..CLIENT_IDS_MAX {
            ids.learn(key(n), n as i64, 1_000 + n as u64);
        }
        assert!(ids.covers(2_000, 86_400_000));
        assert_eq!(ids.place(&key(0), 1_500, 1_000), Some(0));
        assert_eq!(ids.place(&key(0), 2_000, 1_000), None, "its time is over");
        ids.learn(key(5_000), 5_000, 5_000);
        assert_eq!(ids.place(&key(0), 1_500, 1_000), None, "the oldest is forgotten");
        assert!(!ids.covers(6_000, 86_400_000), "and it is known that it is");
        assert!(ids.covers(86_400_000 + SKEW_MS + 2_000, 86_400_000), "until its time is over");
    }
}
