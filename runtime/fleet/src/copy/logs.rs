//! Logs of channels, entry by entry under the same ids and places, and who has read how far.
//!
//! An entry is appended with its present content, and one that changed another takes that change along: what an entry said in between
//! is told by nobody. Epochs begin above those of the old store, so that positions only grow.

use std::collections::{BTreeMap, BTreeSet};

use archgen_env::Env;
use archgen_ports::{
    ChannelId,
    messages::{APPEND_ENTRIES_MAX, Append, Appended, Counts, LogEntry, Messages, NewEntry, Range, Revision},
};
use archgen_spec::sharding::slot_of;
use serde_json::Value;

use super::{Copied, CopyError, Known, Naming, PAGE, digest::Digest};

/// Who holds the shards meanwhile.
const OWNER: &str = "copy";
/// How long shards are held without renewal, milliseconds.
const LEASE_MS: u64 = 600_000;
/// How long a client's id is remembered, milliseconds after its entry.
const DEDUP_MS: u64 = 24 * 3_600_000;
/// Index under which pins stand.
const PINS: &str = "pins";
/// Most changes of owner to come above the old epochs.
const EPOCHS_MAX: u32 = 100_000;

fn odd(what: &str, why: impl std::fmt::Display) -> CopyError {
    CopyError::Odd { what: what.to_owned(), why: why.to_string() }
}

pub(super) async fn copy(
    store: &str,
    from: &dyn Messages,
    to: &dyn Messages,
    shards: u16,
    known: &Known,
    env: &Env,
) -> Result<Vec<Copied>, CopyError> {
    let what = format!("{store} logs");
    let channels: Vec<ChannelId> = known.channels.iter().map(|c| ChannelId(c.clone())).collect();
    for page in channels.chunks(PAGE) {
        if !to.heads(page).await.naming(&what)?.is_empty() {
            return Err(CopyError::NotEmpty(what));
        }
    }
    let mut epochs = Epochs::take(&what, from, to, shards, env).await?;
    for channel in &channels {
        log(&what, from, to, channel, shards, &mut epochs).await?;
    }
    let marks = format!("{store} read marks");
    for user in &known.users {
        for mark in from.read_states(user).await.naming(&marks)? {
            to.set_read(user, &mark.channel, mark.seq, mark.counts).await.naming(&marks)?;
            for seq in &mark.mentions {
                to.note_mentions(&mark.channel, *seq, std::slice::from_ref(user)).await.naming(&marks)?;
            }
        }
    }
    epochs.release().await.naming(&what)?;
    let logs = Digest::both(&what, digest(&what, from, &channels).await?, digest(&what, to, &channels).await?);
    let read = Digest::both(&marks, read(&marks, from, known).await?, read(&marks, to, known).await?);
    Ok(vec![logs, read])
}

/// The shards of the new store, held under epochs above the old ones.
struct Epochs<'a> {
    to: &'a dyn Messages,
    env: &'a Env,
    incarnation: String,
    of: BTreeMap<u16, u64>,
    renewed_ms: u64,
}

impl<'a> Epochs<'a> {
    async fn take(
        what: &str,
        from: &dyn Messages,
        to: &'a dyn Messages,
        shards: u16,
        env: &'a Env,
    ) -> Result<Self, CopyError> {
        let mut least: BTreeMap<u16, u64> = BTreeMap::new();
        for lease in from.leases().await.naming(what)? {
            least.insert(lease.shard, lease.epoch);
        }
        let mut epochs = Self { to, env, incarnation: String::new(), of: BTreeMap::new(), renewed_ms: env.wall_ms() };
        let mut below: Vec<u16> = (0..shards).collect();
        for _ in 0..EPOCHS_MAX {
            epochs.incarnation = env.new_uuid().to_string();
            // All of them: who holds one under an older life loses it with this one.
            let all: Vec<u16> = (0..shards).collect();
            for lease in to.lease(OWNER, &epochs.incarnation, &all, LEASE_MS).await.naming(what)? {
                if lease.owner != OWNER {
                    return Err(odd(
                        what,
                        format_args!("shard {} is held by `{}`: stop that fleet", lease.shard, lease.owner),
                    ));
                }
                epochs.of.insert(lease.shard, lease.epoch);
            }
            let is_below =
                |shard: &u16| epochs.of.get(shard).is_none_or(|e| *e <= least.get(shard).copied().unwrap_or(0));
            below.retain(is_below);
            if below.is_empty() {
                return Ok(epochs);
            }
        }
        Err(odd(what, "the new epochs stay below the old ones"))
    }

    /// Renewed before it is too late.
    async fn renew(&mut self, what: &str) -> Result<(), CopyError> {
        if self.env.wall_ms().saturating_sub(self.renewed_ms) > LEASE_MS / 4 {
            let all: Vec<u16> = self.of.keys().copied().collect();
            self.to.lease(OWNER, &self.incarnation, &all, LEASE_MS).await.naming(what)?;
            self.renewed_ms = self.env.wall_ms();
        }
        Ok(())
    }

    async fn release(self) -> Result<(), archgen_ports::StoreError> {
        let all: Vec<u16> = self.of.keys().copied().collect();
        self.to.release(OWNER, &self.incarnation, &all).await
    }
}

/// Where entries are found beside their place: pins, and the threads whose root somebody names.
async fn indexes(
    what: &str,
    from: &dyn Messages,
    channel: &ChannelId,
    roots: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, String>, CopyError> {
    let mut found = BTreeMap::new();
    let names = std::iter::once(PINS.to_owned()).chain(roots.iter().map(|root| format!("thread:{root}")));
    for name in names {
        let mut after = 0;
        loop {
            let page = from.indexed(channel, &name, after, PAGE).await.naming(what)?;
            let Some(last) = page.last() else { break };
            after = last.position.seq;
            found.extend(page.iter().map(|entry| (entry.position.seq, name.clone())));
        }
    }
    Ok(found)
}

/// The places of messages that others name as the root of their thread.
async fn roots(what: &str, from: &dyn Messages, channel: &ChannelId) -> Result<BTreeSet<u64>, CopyError> {
    let (mut places, mut named, mut after) = (BTreeMap::new(), BTreeSet::new(), 0);
    loop {
        let page = from.read(channel, Range::After(after), PAGE).await.naming(what)?;
        let Some(last) = page.last() else { break };
        after = last.position.seq;
        for entry in page {
            if let Some(root) = entry.data["thread"].as_str() {
                named.insert(root.to_owned());
            }
            places.insert(entry.id.0, entry.position.seq);
        }
    }
    Ok(named.iter().filter_map(|id| places.get(id).copied()).collect())
}

async fn log(
    what: &str,
    from: &dyn Messages,
    to: &dyn Messages,
    channel: &ChannelId,
    shards: u16,
    epochs: &mut Epochs<'_>,
) -> Result<(), CopyError> {
    let roots = roots(what, from, channel).await?;
    let indexes = indexes(what, from, channel, &roots).await?;
    let shard = slot_of(channel.as_str().as_bytes(), shards);
    let (mut head, mut counts) = (0, Counts::default());
    // Place of the newest revision to what it revised.
    let mut revised: BTreeMap<u64, Revision> = BTreeMap::new();
    loop {
        let page = from.read(channel, Range::After(head), APPEND_ENTRIES_MAX).await.naming(what)?;
        let Some(newest) = page.last().map(|entry| entry.ts) else { return Ok(()) };
        epochs.renew(what).await?;
        let mut entries = Vec::with_capacity(page.len());
        for entry in page {
            if entry.revised_by > 0 {
                let data = (!entry.deleted).then(|| entry.data.clone());
                revised.insert(entry.revised_by, Revision { seq: entry.position.seq, data });
            }
            let adds = entry.counts.since(counts);
            counts = entry.counts;
            let seq = entry.position.seq;
            entries.push(NewEntry {
                id: entry.id,
                kind: entry.kind,
                author: entry.author,
                ts: entry.ts,
                client_msg_id: entry.client_msg_id,
                data: entry.data,
                adds,
                index: indexes.get(&seq).cloned(),
                revises: revised.remove(&seq),
            });
        }
        let (number, epoch) = (entries.len() as u64, epochs.of.get(&shard).copied().unwrap_or_default());
        // A client that tries again after the move is still recognised.
        let dedup_ms = (newest + DEDUP_MS).saturating_sub(epochs.env.wall_ms()).max(1);
        let append = Append { shard, epoch, channel: channel.clone(), head, dedup_ms, entries };
        match to.append(append).await.naming(what)? {
            Appended::Applied(outcomes) if outcomes.iter().all(|outcome| !outcome.duplicate) => head += number,
            other => return Err(odd(what, format_args!("channel {channel} at {head}: {}", short(&other)))),
        }
    }
}

fn short(appended: &Appended) -> String {
    match appended {
        Appended::Applied(_) => "a client's id stands twice".to_owned(),
        other => format!("{other:?}"),
    }
}

fn add(digest: &mut Digest, channel: &ChannelId, entry: &LogEntry) {
    let told: Value = serde_json::json!([
        channel,
        entry.position.seq,
        entry.id,
        entry.kind,
        entry.author,
        entry.ts,
        entry.client_msg_id,
        entry.data,
        entry.counts,
        entry.revised_by,
        entry.deleted,
    ]);
    digest.add(&[told.to_string().as_bytes()]);
}

async fn digest(what: &str, port: &dyn Messages, channels: &[ChannelId]) -> Result<Digest, CopyError> {
    let mut digest = Digest::default();
    for channel in channels {
        let mut after = 0;
        loop {
            let page = port.read(channel, Range::After(after), APPEND_ENTRIES_MAX).await.naming(what)?;
            let Some(last) = page.last() else { break };
            after = last.position.seq;
            page.iter().for_each(|entry| add(&mut digest, channel, entry));
        }
    }
    Ok(digest)
}

async fn read(what: &str, port: &dyn Messages, known: &Known) -> Result<Digest, CopyError> {
    let mut digest = Digest::default();
    for user in &known.users {
        let mut marks = port.read_states(user).await.naming(what)?;
        marks.sort_by(|a, b| a.channel.cmp(&b.channel));
        for mark in marks {
            let told = serde_json::json!([user, mark.channel, mark.seq, mark.counts, mark.mentions]);
            digest.add(&[told.to_string().as_bytes()]);
        }
    }
    Ok(digest)
}
