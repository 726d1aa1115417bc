//! Group commit: one task decides everything that is queued, in order, commits it as one batch, syncs once, and only then
//! answers. An answer therefore means durable, and decisions never race. Marks that are merely set again where they are lost
//! (how far a log was relayed, how far a topic was read) make no sync of their own: others would wait for it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use archgen_env::{
    Env,
    sabotage::{Bug, is_planted},
};
use archgen_ports::StoreError;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    engine::{Batch, Engine, EngineError, View},
    placement::Held,
    replication::Replica,
};

/// Decisions that wait; one more is refused.
const QUEUE_MAX: usize = 4_096;
/// Decisions in one commit.
const GROUP_MAX: usize = 256;
/// Written by the decisions of one commit, bytes; the one that goes beyond is its last.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Decides on the state and writes to it; what it has written is taken back where it returns an error.
pub type Decision = Box<dyn FnOnce(&mut View<'_>) -> Result<Value, DecisionError> + Send>;

/// Why a decision was not made.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// The call makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What the engine holds cannot be read.
    #[error("a stored value cannot be read: {0}")]
    Stored(#[from] serde_json::Error),
}

type Answer = oneshot::Sender<Result<Value, StoreError>>;
type Answered = (Answer, bool, Result<Value, StoreError>);

/// A decision that waits.
struct Waiting {
    decision: Decision,
    promise: Promise,
    answer: Answer,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It is decided, and a loss of power may take it back until a later decision is durable: for marks that are then set again.
    ForNow,
    /// It is durable.
    Durable,
    /// A majority of the copies has it, however few others wait for.
    Certain,
}

/// Where the writes of decisions go.
enum Sink {
    /// The only copy.
    Alone(Arc<dyn Engine>, Option<Held>),
    /// The log of a group that this node leads in this term.
    Group(Arc<dyn Engine>, Arc<Replica>, u64),
}

impl Sink {
    fn engine(&self) -> &dyn Engine {
        match self {
            Self::Alone(engine, _) | Self::Group(engine, ..) => &**engine,
        }
    }

    fn commit(&self, writes: Batch, sync: bool) -> Result<(), EngineError> {
        match self {
            Self::Alone(engine, held) => {
                let tracked = held.as_ref().map(|held| held.tracked(&writes));
                let committed = engine.commit(writes, sync && sync_before_ack());
                // Also where nobody knows whether it applies: the copy looks.
                if let (Some(held), Some(tracked)) = (held, tracked) {
                    held.note(tracked);
                }
                committed
            }
            Self::Group(_, replica, term) => replica.append(*term, writes).map(|_| ()),
        }
    }
}

/// Hands decisions to the committer. Cloning shares it.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
    version: watch::Sender<u64>,
}

impl Committer {
    /// Starts the committer's task on this engine, of which others keep copies where there is a replica.
    pub(crate) fn start(env: &Env, engine: Arc<dyn Engine>, replica: Option<Arc<Replica>>, held: Option<Held>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let version = watch::Sender::new(0);
        env.spawn("committer", run(env.clone(), engine, (replica, held), waiting, version.clone()));
        Self { queue, version }
    }

    /// Decides, commits, and returns the answer once it is durable; `certain` where a majority of the copies must have it,
    /// whatever the store waits for otherwise.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an invalid call or a full queue, [`StoreError::Indeterminate`] when the engine failed.
    pub async fn decide(&self, decision: Decision, promise: Promise) -> Result<Value, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Waiting { decision, promise, answer })
            .map_err(|_| StoreError::Refused("the store is overloaded; try again".to_owned()))?;
        answered.await.map_err(|_| StoreError::Indeterminate("the store stopped".to_owned()))?
    }

    /// Told after every commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

async fn run(
    env: Env,
    engine: Arc<dyn Engine>,
    (replica, held): (Option<Arc<Replica>>, Option<Held>),
    mut waiting: mpsc::Receiver<Waiting>,
    version: watch::Sender<u64>,
) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        let taken = std::mem::take(&mut group);
        let Some(replica) = &replica else {
            let sink = Sink::Alone(engine.clone(), held.clone());
            let answers = env.compute(move || commit(&sink, taken)).await;
            version.send_modify(|v| *v += 1);
            for (answer, _, result) in answers {
                // Whoever asked may be gone.
                let _ = answer.send(result);
            }
            continue;
        };
        let writing = replica.write().await;
        let Ok(term) = replica.leads() else {
            for waiting in taken {
                let moved = "the store is overloaded: another of its nodes leads by now".to_owned();
                let _ = waiting.answer.send(Err(StoreError::Refused(moved)));
            }
            continue;
        };
        let sink = Sink::Group(engine.clone(), replica.clone(), term);
        let answers = env.compute(move || commit(&sink, taken)).await;
        let end = replica.end();
        drop(writing);
        version.send_modify(|v| *v += 1);
        env.spawn("acknowledgement", acknowledge(replica.clone(), term, end, answers));
    }
}

/// Answers once enough copies have what was decided. Who was refused waits as well: what refused them may not stand.
async fn acknowledge(replica: Arc<Replica>, term: u64, end: u64, answers: Vec<Answered>) {
    let (certain, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, certain, _)| *certain);
    for (answers, copies) in [(others, replica.acks(false)), (certain, replica.acks(true))] {
        if answers.is_empty() {
            continue;
        }
        let known = replica.acknowledged(term, end, copies).await;
        for (answer, _, result) in answers {
            let unknown = || StoreError::Indeterminate(format!("fewer than {copies} copies have it"));
            let _ = answer.send(if known { result } else { Err(unknown()) });
        }
    }
}

/// Decides the group in order and commits it, as one batch unless it is very large.
fn commit(sink: &Sink, group: Vec<Waiting>) -> Vec<Answered> {
    let engine = sink.engine();
    let mut view = View::new(engine);
    let mut answers = Vec::with_capacity(group.len());
    let mut committed = 0;
    let sync = group.iter().any(|waiting| waiting.promise != Promise::ForNow);
    for Waiting { decision, promise, answer } in group {
        view.begin();
        let result = match catch_unwind(AssertUnwindSafe(|| decision(&mut view))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(DecisionError::Invalid(reason))) => Err(StoreError::Refused(reason)),
            Ok(Err(error)) => Err(StoreError::Indeterminate(error.to_string())),
            Err(_) => Err(StoreError::Indeterminate("a decision panicked".to_owned())),
        };
        if result.is_err() {
            view.rollback();
        }
        answers.push((answer, promise == Promise::Certain, result));
        if view.written_bytes() > GROUP_BYTES_MAX {
            write(sink, std::mem::replace(&mut view, View::new(engine)), sync, &mut answers[committed..]);
            committed = answers.len();
        }
    }
    write(sink, view, sync, &mut answers[committed..]);
    answers
}

/// Commits what was decided. Where the engine fails nobody knows what applies, and all who wait are told so: also who only read,
/// since what it saw may not be.
fn write(sink: &Sink, view: View<'_>, sync: bool, answers: &mut [Answered]) {
    let writes = view.into_writes();
    if writes.is_empty() {
        return;
    }
    if let Err(error) = sink.commit(writes, sync) {
        tracing::error!(%error, "commit failed");
        for (.., result) in answers {
            *result = Err(StoreError::Indeterminate(error.to_string()));
        }
    }
}

fn sync_before_ack() -> bool {
    !is_planted(Bug::AckBeforeSync)
}
