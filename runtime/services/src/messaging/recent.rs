//! The newest entries of the channels that this host appends to, in memory: a channel with many readers is read from here. What
//! lies here is what the store acknowledged under one epoch; while that epoch's lease lasts nobody else appends, so nothing newer
//! can exist.

use std::collections::{BTreeMap, VecDeque};

use archgen_ports::{
    ChannelId, Position, UserId,
    messages::{EntryOutcome, LogEntry, Revision},
};
use tokio::time::Instant;

use super::{change::revised, kinds::CREATED};

/// Entries kept per channel.
pub(super) const ENTRIES_MAX: usize = 256;
/// Contents kept per channel, bytes of JSON.
const BYTES_MAX: usize = 256 << 10;
/// Channels; the one that was appended to longest ago goes first.
const CHANNELS_MAX: usize = 256;

struct Channel {
    epoch: u64,
    entries: VecDeque<(LogEntry, usize)>,
    bytes: usize,
    appended: Instant,
}

/// The newest entries of some channels.
#[derive(Default)]
pub(super) struct Recent(BTreeMap<ChannelId, Channel>);

impl Recent {
    /// Takes in what was appended, in order, each with what it revises.
    pub(super) fn append(
        &mut self,
        channel: &ChannelId,
        epoch: u64,
        outcomes: &[EntryOutcome],
        revisions: &[Option<Revision>],
        now: Instant,
    ) {
        for (outcome, revision) in outcomes.iter().zip(revisions).filter(|(o, _)| !o.duplicate) {
            self.push(channel, epoch, outcome.entry.clone(), now);
            if let Some(revision) = revision {
                self.revise(channel, revision, outcome.entry.position.seq);
            }
        }
    }

    /// Takes in the newest entries of a channel as they were read.
    pub(super) fn load(&mut self, channel: &ChannelId, epoch: u64, entries: Vec<LogEntry>, now: Instant) {
        self.forget(channel);
        for entry in entries {
            self.push(channel, epoch, entry, now);
        }
    }

    fn push(&mut self, channel: &ChannelId, epoch: u64, entry: LogEntry, now: Instant) {
        let follows = self.0.get(channel).is_some_and(|known| {
            known.epoch == epoch && known.entries.back().is_some_and(|(e, _)| e.position.seq + 1 == entry.position.seq)
        });
        if !follows {
            self.0.remove(channel);
            while self.0.len() >= CHANNELS_MAX {
                let oldest = self.0.iter().min_by_key(|(_, c)| c.appended).map(|(id, _)| id.clone());
                oldest.map(|id| self.0.remove(&id));
            }
        }
        let fresh = || Channel { epoch, entries: VecDeque::new(), bytes: 0, appended: now };
        let known = self.0.entry(channel.clone()).or_insert_with(fresh);
        let bytes = entry.data.to_string().len();
        known.entries.push_back((entry, bytes));
        known.bytes += bytes;
        known.appended = now;
        while known.entries.len() > ENTRIES_MAX || (known.bytes > BYTES_MAX && known.entries.len() > 1) {
            known.bytes -= known.entries.pop_front().map_or(0, |(_, bytes)| bytes);
        }
    }

    fn revise(&mut self, channel: &ChannelId, revision: &Revision, by: u64) {
        let Some(known) = self.0.get_mut(channel) else { return };
        if let Some((entry, _)) = known.entries.iter_mut().find(|(e, _)| e.position.seq == revision.seq) {
            *entry = LogEntry { revised_by: by, ..revised(entry, revision) };
        }
    }

    /// Forgets a channel: what became of the last append is not known.
    pub(super) fn forget(&mut self, channel: &ChannelId) {
        self.0.remove(channel);
    }

    fn under(&self, channel: &ChannelId, epoch: u64) -> Option<&VecDeque<(LogEntry, usize)>> {
        self.0.get(channel).filter(|known| known.epoch == epoch).map(|known| &known.entries)
    }

    /// Entries after a place, at most `limit`, and the head; `None` where these lie further back than what is here.
    pub(super) fn after(
        &self,
        channel: &ChannelId,
        epoch: u64,
        seq: u64,
        limit: usize,
    ) -> Option<(Vec<LogEntry>, Position)> {
        let entries = self.under(channel, epoch)?;
        let (first, head) = (entries.front()?.0.position.seq, entries.back()?.0.position);
        let found = || entries.iter().map(|(e, _)| e).filter(|e| e.position.seq > seq).take(limit).cloned().collect();
        (first <= seq.saturating_add(1)).then(|| (found(), head))
    }

    /// The entry at a place.
    pub(super) fn entry(&self, channel: &ChannelId, epoch: u64, seq: u64) -> Option<&LogEntry> {
        self.under(channel, epoch)?.iter().map(|(e, _)| e).find(|e| e.position.seq == seq)
    }

    /// Whether the author's newest message within these milliseconds is another than a retry of this one. `None` where what is
    /// here does not reach back far enough to tell.
    pub(super) fn wrote_within(
        &self,
        channel: &ChannelId,
        epoch: u64,
        author: &UserId,
        client_msg_id: Option<&str>,
        since_ms: u64,
    ) -> Option<bool> {
        let entries = self.under(channel, epoch)?;
        let own = |e: &&LogEntry| e.kind == CREATED && e.author == *author && e.ts > since_ms;
        let mine: Vec<&LogEntry> = entries.iter().map(|(e, _)| e).filter(own).collect();
        if client_msg_id.is_some() && mine.iter().any(|e| e.client_msg_id.as_deref() == client_msg_id) {
            return Some(false);
        }
        if !mine.is_empty() {
            return Some(true);
        }
        let oldest = entries.front()?;
        let whole = oldest.0.position.seq == 1 || oldest.0.ts <= since_ms || entries.len() >= ENTRIES_MAX;
        whole.then_some(false)
    }
}
