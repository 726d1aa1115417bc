//! The single writer of each channel: takes what is queued, appends it as one batch under the shard's epoch, and answers once the
//! store has.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::Duration,
};

use archgen_ports::{
    ChannelId, StoreError,
    messages::{Append, Appended, EntryOutcome, NewEntry, Range},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{error::MessagingError, state::State, view::ChannelEvent};

/// Entries that wait for one channel's writer; one more is refused.
const QUEUE_ENTRIES_MAX: usize = 512;
/// Entries in one append.
const BATCH_ENTRIES_MAX: usize = 128;
/// Contents in one append, bytes of JSON: well below what the store takes in one call.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Channels with a writer at a time.
const WRITERS_MAX: usize = 20_000;
/// A writer without work ends after this time.
const IDLE: Duration = Duration::from_secs(30);
/// How long a sender waits for the answer, milliseconds.
const ANSWER_MS_MAX: u64 = 4_000;
/// How long client ids are remembered, milliseconds: 24 h.
const DEDUP_MS: u64 = 24 * 3_600_000;

type Answer = Result<EntryOutcome, MessagingError>;

/// An entry with whoever waits for its outcome.
pub(super) struct Job {
    entry: NewEntry,
    /// Its content as JSON, bytes.
    weight: usize,
    answer: oneshot::Sender<Answer>,
}

/// Appends an entry to a channel that this host owns.
///
/// # Errors
/// [`MessagingError::NotOwner`], [`MessagingError::Overloaded`], [`MessagingError::Unknown`], [`MessagingError::NotFound`] where
/// it revises what was deleted, or the store's.
pub(super) async fn append(state: &Arc<State>, channel: &ChannelId, entry: NewEntry) -> Answer {
    if state.ownership().epoch(state.shard(channel), Instant::now()).is_none() {
        return Err(MessagingError::NotOwner);
    }
    let (answer, answered) = oneshot::channel();
    let revised = entry.revises.as_ref().and_then(|r| r.data.as_ref());
    let weight = entry.data.to_string().len() + revised.map_or(0, |data| data.to_string().len());
    enqueue(state, channel, Job { entry, weight, answer })?;
    match timeout(Duration::from_millis(ANSWER_MS_MAX), answered).await {
        Ok(Ok(answer)) => answer,
        _ => Err(MessagingError::Unknown),
    }
}

/// Hands a job to the channel's writer, which is started where there is none. All under the lock, so that a writer that finds
/// its queue empty under the lock may end.
fn enqueue(state: &Arc<State>, channel: &ChannelId, job: Job) -> Result<(), MessagingError> {
    let mut writers = state.writers.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = writers.get(channel).filter(|s| !s.is_closed()) {
        return sender.try_send(job).map_err(|_| MessagingError::Overloaded);
    }
    if writers.len() >= WRITERS_MAX {
        return Err(MessagingError::Overloaded);
    }
    let (sender, receiver) = mpsc::channel(QUEUE_ENTRIES_MAX);
    state.env.spawn("channel writer", run(state.clone(), channel.clone(), receiver));
    let queued = sender.try_send(job).map_err(|_| MessagingError::Overloaded);
    writers.insert(channel.clone(), sender);
    queued
}

async fn run(state: Arc<State>, channel: ChannelId, mut queue: mpsc::Receiver<Job>) {
    let mut head = None;
    let mut jobs = Vec::with_capacity(BATCH_ENTRIES_MAX);
    loop {
        match timeout(IDLE, queue.recv_many(&mut jobs, BATCH_ENTRIES_MAX)).await {
            Ok(0) => break,
            Ok(_) => {
                while !jobs.is_empty() {
                    let fits = fitting(jobs.iter().map(|job| job.weight));
                    let batch = jobs.drain(..fits).collect();
                    write(&state, &channel, &mut head, batch).await;
                }
            }
            Err(_) => {
                let mut writers = state.writers.lock().unwrap_or_else(PoisonError::into_inner);
                if queue.is_empty() {
                    queue.close();
                    writers.remove(&channel);
                    break;
                }
            }
        }
    }
}

/// How many of these, in order, go into one append: at least one.
pub(super) fn fitting(weights: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0usize;
    let within = weights.take_while(|weight| {
        bytes = bytes.saturating_add(*weight);
        bytes <= BATCH_BYTES_MAX
    });
    within.count().max(1)
}

/// Appends a batch and answers everyone. `head` is the channel's head as this writer knows it.
async fn write(state: &Arc<State>, channel: &ChannelId, head: &mut Option<u64>, jobs: Vec<Job>) {
    let jobs = without_lost_targets(state, channel, jobs).await;
    if jobs.is_empty() {
        return;
    }
    let weight = jobs.iter().map(|job| job.weight).sum();
    let (entries, answers): (Vec<NewEntry>, Vec<_>) = jobs.into_iter().map(|j| (j.entry, j.answer)).unzip();
    match try_append(state, channel, head, entries).await {
        Ok(outcomes) => {
            let fresh: Vec<&EntryOutcome> = outcomes.iter().filter(|o| !o.duplicate).collect();
            state.appended.inc_by(fresh.len() as u64);
            state.duplicates.inc_by((outcomes.len() - fresh.len()) as u64);
            let events: Vec<ChannelEvent> = fresh.iter().map(|o| ChannelEvent::new(channel, &o.entry)).collect();
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // Whoever asked may be gone.
                let _ = answer.send(Ok(outcome));
            }
            if !events.is_empty() {
                state.push.send(events, weight);
                state.mark_unpublished([state.shard(channel)]);
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(again(&error)));
            }
        }
    }
}

/// Answers jobs that revise a deleted message, and returns the others. Nobody else appends to the channel, so what is seen here
/// holds until the append: an edit that raced a deletion does not bring the message back.
async fn without_lost_targets(state: &Arc<State>, channel: &ChannelId, jobs: Vec<Job>) -> Vec<Job> {
    let mut kept = Vec::with_capacity(jobs.len());
    let mut deleted = BTreeSet::new();
    for job in jobs {
        let Some((seq, deletes)) = job.entry.revises.as_ref().map(|r| (r.seq, r.data.is_none())) else {
            kept.push(job);
            continue;
        };
        let found = match deleted.contains(&seq) {
            true => Ok(false),
            false => stands(state, channel, seq).await,
        };
        match found {
            Ok(true) => {
                if deletes {
                    deleted.insert(seq);
                }
                kept.push(job);
            }
            Ok(false) => {
                let _ = job.answer.send(Err(MessagingError::NotFound("message")));
            }
            Err(error) => {
                let _ = job.answer.send(Err(error));
            }
        }
    }
    kept
}

async fn stands(state: &Arc<State>, channel: &ChannelId, seq: u64) -> Result<bool, MessagingError> {
    let found = state.config.messages.read(channel, Range::After(seq.saturating_sub(1)), 1).await?;
    Ok(found.first().is_some_and(|e| e.position.seq == seq && !e.deleted))
}

/// The same error for each of several callers.
fn again(error: &MessagingError) -> MessagingError {
    match error {
        MessagingError::NotOwner => MessagingError::NotOwner,
        MessagingError::Store(error) => MessagingError::Store(error.clone()),
        _ => MessagingError::Unknown,
    }
}

async fn try_append(
    state: &Arc<State>,
    channel: &ChannelId,
    head: &mut Option<u64>,
    entries: Vec<NewEntry>,
) -> Result<Vec<EntryOutcome>, MessagingError> {
    let shard = state.shard(channel);
    // A head that moved is taken from the answer and tried once more: nothing was applied.
    for _ in 0..2 {
        let epoch = state.ownership().epoch(shard, Instant::now()).ok_or(MessagingError::NotOwner)?;
        let known = match *head {
            Some(known) => known,
            None => {
                let heads = state.config.messages.heads(std::slice::from_ref(channel)).await?;
                heads.first().map_or(0, |(_, head)| head.position.seq)
            }
        };
        *head = Some(known);
        let append = Append {
            shard,
            epoch,
            channel: channel.clone(),
            head: known,
            dedup_ms: DEDUP_MS,
            entries: entries.clone(),
        };
        match state.config.messages.append(append).await {
            Ok(Appended::Applied(outcomes)) => {
                let last = outcomes.iter().filter(|o| !o.duplicate).map(|o| o.entry.position.seq).max();
                *head = Some(last.unwrap_or(known));
                return Ok(outcomes);
            }
            Ok(Appended::HeadMoved { head: moved }) => *head = Some(moved),
            Ok(Appended::Fenced { epoch }) => {
                tracing::info!(shard, epoch, "fenced: another host owns the shard now");
                state.fenced.inc();
                state.ownership().drop_shard(shard);
                *head = None;
                return Err(MessagingError::NotOwner);
            }
            Err(error) => {
                if matches!(error, StoreError::Indeterminate(_)) {
                    *head = None;
                }
                return Err(error.into());
            }
        }
    }
    *head = None;
    Err(MessagingError::Unknown)
}
