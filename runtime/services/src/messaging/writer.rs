//! The single writer of each channel: takes what is queued, appends it as one batch under the shard's epoch, and answers once the
//! store has.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use archgen_ports::{
    ChannelId, StoreError,
    messages::{Append, Appended, EntryOutcome, NewEntry},
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
    answer: oneshot::Sender<Answer>,
}

/// Appends an entry to a channel that this host owns.
///
/// # Errors
/// [`MessagingError::NotOwner`], [`MessagingError::Overloaded`], [`MessagingError::Unknown`], or the store's.
pub(super) async fn append(state: &Arc<State>, channel: &ChannelId, entry: NewEntry) -> Answer {
    if state.ownership().epoch(state.shard(channel), Instant::now()).is_none() {
        return Err(MessagingError::NotOwner);
    }
    let (answer, answered) = oneshot::channel();
    writer(state, channel)?.try_send(Job { entry, answer }).map_err(|_| MessagingError::Overloaded)?;
    match timeout(Duration::from_millis(ANSWER_MS_MAX), answered).await {
        Ok(Ok(answer)) => answer,
        _ => Err(MessagingError::Unknown),
    }
}

/// The channel's writer, started where there is none.
fn writer(state: &Arc<State>, channel: &ChannelId) -> Result<mpsc::Sender<Job>, MessagingError> {
    let mut writers = state.writers.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = writers.get(channel).filter(|s| !s.is_closed()) {
        return Ok(sender.clone());
    }
    if writers.len() >= WRITERS_MAX {
        return Err(MessagingError::Overloaded);
    }
    let (sender, receiver) = mpsc::channel(QUEUE_ENTRIES_MAX);
    writers.insert(channel.clone(), sender.clone());
    state.env.spawn("channel writer", run(state.clone(), channel.clone(), receiver));
    Ok(sender)
}

async fn run(state: Arc<State>, channel: ChannelId, mut queue: mpsc::Receiver<Job>) {
    let mut head = None;
    let mut jobs = Vec::with_capacity(BATCH_ENTRIES_MAX);
    loop {
        match timeout(IDLE, queue.recv_many(&mut jobs, BATCH_ENTRIES_MAX)).await {
            Ok(0) => break,
            Ok(_) => write(&state, &channel, &mut head, std::mem::take(&mut jobs)).await,
            Err(_) => {
                // Under the lock nobody can take the sender, so an empty queue stays empty.
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

/// Appends a batch and answers everyone. `head` is the channel's head as this writer knows it.
async fn write(state: &Arc<State>, channel: &ChannelId, head: &mut Option<u64>, jobs: Vec<Job>) {
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
                state.push.send(events);
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
                heads.first().map_or(0, |(_, position)| position.seq)
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
