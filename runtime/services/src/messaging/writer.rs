//! The single writer of each channel: takes what is queued, decides on each change by what the message that it concerns holds by
//! then, appends all as one batch under the shard's epoch, and answers once the store has.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, PoisonError},
    time::Duration,
};

use archgen_ports::{
    ChannelId, StoreError,
    messages::{APPEND_ENTRIES_MAX, Append, Appended, EntryOutcome, LogEntry, NewEntry, Range, Revision},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{
    change::{Act, Decision, Proposal, decide, revised},
    error::MessagingError,
    recent::ENTRIES_MAX as RECENT_MAX,
    state::State,
    view::ChannelEvent,
};

/// Changes that wait for one channel's writer; one more is refused.
const QUEUE_CHANGES_MAX: usize = 512;
/// Entries in one append.
const BATCH_ENTRIES_MAX: usize = 128;
/// Contents in one append, bytes of JSON: well below what the store takes in one call.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Channels with a writer at a time.
const WRITERS_MAX: usize = 20_000;
/// Wait for changes that are likely to come at once; by a timer's precision it ends within 2 ms.
const GATHER: Duration = Duration::from_millis(1);
/// A writer without work ends after this time.
const IDLE: Duration = Duration::from_secs(30);
/// How long a sender waits for the answer, milliseconds.
const ANSWER_MS_MAX: u64 = 4_000;
/// How long client ids are remembered, milliseconds: 24 h.
const DEDUP_MS: u64 = 24 * 3_600_000;

/// What became of a change.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// The entry that tells of it; `None` where everything was as asked for.
    pub(super) entry: Option<LogEntry>,
    /// Whether it was there already, under the same client id.
    pub(super) duplicate: bool,
    /// The message that it concerns, as it stands now.
    pub(super) target: Option<LogEntry>,
}

type Answer = Result<Done, MessagingError>;

/// A change with whoever waits for its outcome.
pub(super) struct Job {
    proposal: Proposal,
    answer: oneshot::Sender<Answer>,
}

/// Makes a change to a channel that this host owns.
///
/// # Errors
/// [`MessagingError::NotOwner`], [`MessagingError::Overloaded`], [`MessagingError::Unknown`], the refusals of [`decide`], or the
/// store's.
pub(super) async fn propose(state: &Arc<State>, channel: &ChannelId, proposal: Proposal) -> Answer {
    answered(offer(state, channel, proposal)?).await
}

/// The answer to a change that was offered.
pub(super) struct Offered(oneshot::Receiver<Answer>);

/// Queues a change to a channel that this host owns; those that are offered one after the other are decided in that order.
///
/// # Errors
/// [`MessagingError::NotOwner`], [`MessagingError::Overloaded`].
pub(super) fn offer(state: &Arc<State>, channel: &ChannelId, proposal: Proposal) -> Result<Offered, MessagingError> {
    if state.epoch(channel).is_none() {
        return Err(MessagingError::NotOwner);
    }
    let (answer, answered) = oneshot::channel();
    enqueue(state, channel, Job { proposal, answer })?;
    Ok(Offered(answered))
}

/// Waits for the answer.
///
/// # Errors
/// As [`propose`].
pub(super) async fn answered(Offered(answered): Offered) -> Answer {
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
    let (sender, receiver) = mpsc::channel(QUEUE_CHANGES_MAX);
    state.env.spawn("channel writer", run(state.clone(), channel.clone(), receiver));
    let queued = sender.try_send(job).map_err(|_| MessagingError::Overloaded);
    writers.insert(channel.clone(), sender);
    queued
}

async fn run(state: Arc<State>, channel: ChannelId, mut queue: mpsc::Receiver<Job>) {
    let mut desk = Desk { head: None };
    let mut taken = Vec::with_capacity(BATCH_ENTRIES_MAX);
    // Who was answered last and who waited then: all of them may be at work at this moment.
    let mut expected = 1;
    loop {
        match timeout(IDLE, queue.recv_many(&mut taken, BATCH_ENTRIES_MAX)).await {
            Ok(0) => break,
            Ok(_) => {
                gather(&mut queue, &mut taken, expected).await;
                expected = taken.len();
                let mut jobs: VecDeque<Job> = taken.drain(..).collect();
                while !jobs.is_empty() {
                    desk.write(&state, &channel, &mut jobs).await;
                }
                expected = (expected + queue.len()).min(BATCH_ENTRIES_MAX);
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

/// Waits a moment for as many changes as are expected, so that one append takes them all: senders who wait for each
/// acknowledgement would otherwise fall into groups that wait for each other. A sender who is alone never waits.
async fn gather(queue: &mut mpsc::Receiver<Job>, taken: &mut Vec<Job>, expected: usize) {
    let until = Instant::now() + GATHER;
    while taken.len() < expected
        && let Ok(1..) = timeout_at(until, queue.recv_many(taken, BATCH_ENTRIES_MAX - taken.len())).await
    {}
}

/// Whoever waits, and what for.
struct Waiting {
    answer: oneshot::Sender<Answer>,
    /// The entry's place in the batch; `None` where everything is as asked for.
    entry: Option<usize>,
    target: Option<u64>,
}

/// Changes that go into one append.
#[derive(Default)]
struct Batch {
    entries: Vec<NewEntry>,
    waiting: Vec<Waiting>,
    bytes: usize,
}

/// The size of what an entry brings, bytes of JSON.
fn weight(entry: &NewEntry) -> usize {
    let revised = entry.revises.as_ref().and_then(|r| r.data.as_ref());
    entry.data.to_string().len() + revised.map_or(0, |data| data.to_string().len())
}

/// Takes jobs, in order, for one append. `messages` holds what they concern, and after it what they leave behind. Nobody else
/// appends to the channel, so what is decided here holds until the append: an edit that raced a deletion does not bring the
/// message back.
fn plan(jobs: &mut VecDeque<Job>, messages: &mut BTreeMap<u64, LogEntry>) -> Batch {
    let mut batch = Batch::default();
    while batch.entries.len() < BATCH_ENTRIES_MAX
        && let Some(Job { proposal, answer }) = jobs.pop_front()
    {
        let target = proposal.target;
        let again = proposal.clone();
        match decide(proposal, target.and_then(|seq| messages.get(&seq))) {
            Err(refusal) => {
                let _ = answer.send(Err(refusal));
            }
            Ok(Decision::Already) => batch.waiting.push(Waiting { answer, entry: None, target }),
            Ok(Decision::Append(entry)) => {
                let weight = weight(&entry);
                if !batch.entries.is_empty() && batch.bytes + weight > BATCH_BYTES_MAX {
                    jobs.push_front(Job { proposal: again, answer });
                    break;
                }
                batch.bytes += weight;
                let may_be_known = entry.client_msg_id.is_some();
                let revises = entry.revises.is_some();
                if let Some(revision) = &entry.revises
                    && let Some(message) = messages.get(&revision.seq)
                {
                    let left = revised(message, revision);
                    messages.insert(revision.seq, left);
                }
                batch.waiting.push(Waiting { answer, entry: Some(batch.entries.len()), target });
                batch.entries.push(*entry);
                // If it turns out to be a retry, it leaves nothing behind, and what comes after must not build on it.
                if may_be_known && revises {
                    break;
                }
            }
        }
    }
    batch
}

/// What a writer knows of its channel between two appends.
struct Desk {
    head: Option<u64>,
}

impl Desk {
    /// Appends what fits of these jobs and answers everyone whose turn it was.
    async fn write(&mut self, state: &Arc<State>, channel: &ChannelId, jobs: &mut VecDeque<Job>) {
        keep_apart(state, channel, jobs).await;
        let mut messages = match concerned(state, channel, jobs).await {
            Ok(messages) => messages,
            Err(error) => {
                return jobs.drain(..).for_each(|job| {
                    let _ = job.answer.send(Err(again(&error)));
                });
            }
        };
        let Batch { entries, waiting, bytes } = plan(jobs, &mut messages);
        let revisions: Vec<Option<Revision>> = entries.iter().map(|e| e.revises.clone()).collect();
        let appended = match entries.is_empty() {
            true => Ok((0, Vec::new())),
            false => self.append(state, channel, entries).await,
        };
        let (epoch, outcomes) = match appended {
            Ok(appended) => appended,
            Err(error) => {
                state.recent().forget(channel);
                for one in waiting {
                    let _ = one.answer.send(Err(again(&error)));
                }
                return;
            }
        };
        state.recent().append(channel, epoch, &outcomes, &revisions, Instant::now());
        let fresh = outcomes.iter().zip(&revisions).filter(|(o, _)| !o.duplicate);
        let events: Vec<ChannelEvent> = fresh
            .map(|(o, revision)| {
                let target = revision.as_ref().and_then(|r| messages.get(&r.seq));
                ChannelEvent::new(channel, &o.entry, target)
            })
            .collect();
        state.appended.inc_by(events.len() as u64);
        state.duplicates.inc_by((outcomes.len() - events.len()) as u64);
        for Waiting { answer, entry, target } in waiting {
            let outcome = entry.map(|at| &outcomes[at]);
            // Whoever asked may be gone.
            let _ = answer.send(Ok(Done {
                entry: outcome.map(|o| o.entry.clone()),
                duplicate: outcome.is_some_and(|o| o.duplicate),
                target: target.and_then(|seq| messages.get(&seq).cloned()),
            }));
        }
        if !events.is_empty() {
            state.push.send(events, bytes);
            state.mark_unpublished([state.shard(channel)]);
        }
    }

    /// Appends; returns under which epoch.
    async fn append(
        &mut self,
        state: &Arc<State>,
        channel: &ChannelId,
        entries: Vec<NewEntry>,
    ) -> Result<(u64, Vec<EntryOutcome>), MessagingError> {
        let shard = state.shard(channel);
        // A head that moved is taken from the answer and tried once more: nothing was applied.
        for _ in 0..2 {
            let epoch = state.ownership().epoch(shard, Instant::now()).ok_or(MessagingError::NotOwner)?;
            let known = match self.head {
                Some(known) => known,
                None => {
                    let heads = state.config.messages.heads(std::slice::from_ref(channel)).await?;
                    heads.first().map_or(0, |(_, head)| head.position.seq)
                }
            };
            self.head = Some(known);
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
                    self.head = Some(last.unwrap_or(known));
                    return Ok((epoch, outcomes));
                }
                Ok(Appended::HeadMoved { head: moved }) => self.head = Some(moved),
                Ok(Appended::Fenced { epoch }) => {
                    tracing::info!(shard, epoch, "fenced: another host owns the shard now");
                    state.fenced.inc();
                    state.ownership().drop_shard(shard);
                    self.head = None;
                    return Err(MessagingError::NotOwner);
                }
                Err(error) => {
                    if matches!(error, StoreError::Indeterminate(_)) {
                        self.head = None;
                    }
                    return Err(error.into());
                }
            }
        }
        self.head = None;
        Err(MessagingError::Unknown)
    }
}

/// The messages that these jobs concern, from memory or the store.
async fn concerned(
    state: &Arc<State>,
    channel: &ChannelId,
    jobs: &VecDeque<Job>,
) -> Result<BTreeMap<u64, LogEntry>, MessagingError> {
    let mut seqs: Vec<u64> = jobs.iter().filter_map(|job| job.proposal.target).collect();
    seqs.sort_unstable();
    seqs.dedup();
    if seqs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let epoch = state.ownership().epoch(state.shard(channel), Instant::now()).ok_or(MessagingError::NotOwner)?;
    let mut found = BTreeMap::new();
    {
        let recent = state.recent();
        seqs.retain(|seq| recent.entry(channel, epoch, *seq).is_none_or(|e| found.insert(*seq, e.clone()).is_some()));
    }
    for part in seqs.chunks(APPEND_ENTRIES_MAX) {
        let entries = state.config.messages.entries(channel, part).await?;
        found.extend(entries.into_iter().map(|e| (e.position.seq, e)));
    }
    Ok(found)
}

/// Refuses messages that follow their author's last one too soon, in a channel in slow mode.
async fn keep_apart(state: &Arc<State>, channel: &ChannelId, jobs: &mut VecDeque<Job>) {
    let apart = |job: &Job| match &job.proposal.act {
        Act::Say(say) => say.apart_ms,
        _ => 0,
    };
    if jobs.iter().all(|job| apart(job) == 0) {
        return;
    }
    let Some(epoch) = state.ownership().epoch(state.shard(channel), Instant::now()) else { return };
    let mut last: BTreeMap<_, u64> = BTreeMap::new();
    for job in std::mem::take(jobs) {
        let (apart_ms, proposal) = (apart(&job), &job.proposal);
        if apart_ms == 0 {
            jobs.push_back(job);
            continue;
        }
        let since_ms = proposal.ts.saturating_sub(apart_ms);
        let ask = || {
            let client_id = proposal.client_msg_id.as_deref();
            state.recent().wrote_within(channel, epoch, &proposal.author, client_id, since_ms)
        };
        let mut wrote = ask();
        if wrote.is_none()
            && let Ok(entries) = state.config.messages.read(channel, Range::Latest, RECENT_MAX).await
        {
            state.recent().load(channel, epoch, entries, Instant::now());
            wrote = ask();
        }
        let before = last.insert(proposal.author.clone(), proposal.ts);
        if wrote == Some(true) || before.is_some_and(|ts| ts > since_ms) {
            let _ = job.answer.send(Err(MessagingError::TooSoon { retry_after_s: apart_ms.div_ceil(1_000) }));
        } else {
            jobs.push_back(job);
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
