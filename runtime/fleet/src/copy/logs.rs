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

fn channels(known: &Known) -> Vec<ChannelId> {
    known.channels.iter().map(|c| ChannelId(c.clone())).collect()
}

/// Refuses where the new store has logs already.
pub(super) async fn vacant(store: &str, to: &dyn Messages, known: &Known) -> Result<(), CopyError> {
    let what = format!("{store} logs");
    for page in channels(known).chunks(PAGE) {
        if !to.heads(page).await.naming(&what)?.is_empty() {
            return Err(CopyError::NotEmpty(what));
        }
    }
    Ok(())
}

/// The store on both sides, with the number of shards on each.
pub(super) async fn copy(
    store: &str,
    (from, to): (&dyn Messages, &dyn Messages),
    (shards_before, shards): (u16, u16),
    known: &Known,
    env: &Env,
) -> Result<Vec<Copied>, CopyError> {
    let (what, marks) = (format!("{store} logs"), format!("{store} read marks"));
    let channels = channels(known);
    let least = newest_epoch(&what, from, &channels, shards_before).await?;
    let mut epochs = Epochs::take(&what, to, shards, least, env).await?;
    let written = async {
        for channel in &channels {
            log(&what, from, to, channel, shards, &mut epochs).await?;
        }
        for user in &known.users {
            for mark in from.read_states(user).await.naming(&marks)? {
                to.set_read(user, &mark.channel, mark.seq, mark.counts).await.naming(&marks)?;
                for seq in &mark.mentions {
                    to.note_mentions(&mark.channel, *seq, std::slice::from_ref(user)).await.naming(&marks)?;
                }
            }
        }
        Ok(())
    };
    let written: Result<(), CopyError> = written.await;
    // Also after an error: whoever copies or starts next need not wait for the leases' end.
    let released = epochs.release().await.naming(&what);
    written?;
    released?;
    let logs = Digest::both(&what, digest(&what, from, &channels).await?, digest(&what, to, &channels).await?);
    let read = Digest::both(&marks, read(&marks, from, known).await?, read(&marks, to, known).await?);
    Ok(vec![logs, read])
}

/// The newest epoch of the old store. A shard under which something was written has one, and an answer in which it is missing is none.
async fn newest_epoch(what: &str, from: &dyn Messages, channels: &[ChannelId], shards: u16) -> Result<u64, CopyError> {
    let epochs: BTreeMap<u16, u64> =
        from.leases().await.naming(what)?.into_iter().map(|lease| (lease.shard, lease.epoch)).collect();
    for page in channels.chunks(PAGE) {
        for (channel, _) in from.heads(page).await.naming(what)? {
            let shard = slot_of(channel.as_str().as_bytes(), shards);
            if !epochs.contains_key(&shard) {
                return Err(odd(what, format_args!("shard {shard} of the old store does not say who owned it")));
            }
        }
    }
    Ok(epochs.into_values().max().unwrap_or(0))
}

/// The shards of the new store, held under epochs above the old ones.
struct Epochs<'a> {
    to: &'a dyn Messages,
    env: &'a Env,
    shards: Vec<u16>,
    /// The life under which they are held, and the one before it.
    incarnations: [String; 2],
    of: BTreeMap<u16, u64>,
    renewed_ms: u64,
}

impl<'a> Epochs<'a> {
    /// All of them, each under an epoch above this one.
    async fn take(what: &str, to: &'a dyn Messages, shards: u16, least: u64, env: &'a Env) -> Result<Self, CopyError> {
        let (shards, incarnations) = ((0..shards).collect(), [String::new(), String::new()]);
        let mut epochs = Self { to, env, shards, incarnations, of: BTreeMap::new(), renewed_ms: env.wall_ms() };
        let risen = epochs.rise(what, least).await;
        match risen {
            Ok(()) => Ok(epochs),
            Err(error) => {
                // Those that cannot be given back end by themselves; the first error says more.
                epochs.release().await.ok();
                Err(error)
            }
        }
    }

    async fn rise(&mut self, what: &str, least: u64) -> Result<(), CopyError> {
        for _ in 0..EPOCHS_MAX {
            let [now, before] = &mut self.incarnations;
            *before = std::mem::replace(now, self.env.new_uuid().to_string());
            // All of them: who holds one under an older life loses it with this one.
            self.hold(what).await?;
            if self.of.values().all(|epoch| *epoch > least) {
                return Ok(());
            }
        }
        Err(odd(what, "the new epochs stay below the old ones"))
    }

    /// Takes all shards, or renews them. One that does not answer, or that somebody else has, ends the copy.
    async fn hold(&mut self, what: &str) -> Result<(), CopyError> {
        let granted = self.to.lease(OWNER, &self.incarnations[0], &self.shards, LEASE_MS).await.naming(what)?;
        self.renewed_ms = self.env.wall_ms();
        self.of.clear();
        for lease in granted {
            if lease.owner != OWNER {
                let why = format_args!("shard {} is held by `{}`: stop that fleet", lease.shard, lease.owner);
                return Err(odd(what, why));
            }
            self.of.insert(lease.shard, lease.epoch);
        }
        match self.shards.iter().find(|shard| !self.of.contains_key(shard)) {
            Some(silent) => Err(odd(what, format_args!("shard {silent} of the new store does not answer"))),
            None => Ok(()),
        }
    }

    /// Renewed before it is too late.
    async fn renew(&mut self, what: &str) -> Result<(), CopyError> {
        if self.env.wall_ms().saturating_sub(self.renewed_ms) > LEASE_MS / 4 { self.hold(what).await } else { Ok(()) }
    }

    /// Gives all of them back, also those that only the life before the last came to have.
    async fn release(self) -> Result<(), archgen_ports::StoreError> {
        let mut outcome = Ok(());
        for incarnation in self.incarnations.iter().filter(|incarnation| !incarnation.is_empty()) {
            outcome = self.to.release(OWNER, incarnation, &self.shards).await.and(outcome);
        }
        outcome
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
