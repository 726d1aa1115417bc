//! Group commit: one task decides everything that is queued, in order, commits it as one batch, syncs once, and only then
//! answers. An answer therefore always means durable, and decisions never race.

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

use crate::engine::{Engine, EngineError, View};

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

/// Hands decisions to the committer. Cloning shares it.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<(Decision, Answer)>,
    version: watch::Sender<u64>,
}

impl Committer {
    /// Starts the committer's task on this engine.
    pub fn start(env: &Env, engine: Arc<dyn Engine>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let version = watch::Sender::new(0);
        env.spawn("committer", run(env.clone(), engine, waiting, version.clone()));
        Self { queue, version }
    }

    /// Decides, commits, and returns the answer once it is durable.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an invalid call or a full queue, [`StoreError::Indeterminate`] when the engine failed.
    pub async fn decide(&self, decision: Decision) -> Result<Value, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send((decision, answer))
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
    mut waiting: mpsc::Receiver<(Decision, Answer)>,
    version: watch::Sender<u64>,
) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        let taken = std::mem::take(&mut group);
        let engine = engine.clone();
        let answers = env.compute(move || commit(&*engine, taken)).await;
        version.send_modify(|v| *v += 1);
        for (answer, result) in answers {
            // Whoever asked may be gone.
            let _ = answer.send(result);
        }
    }
}

/// Decides the group in order and commits it, as one batch unless it is very large.
fn commit(engine: &dyn Engine, group: Vec<(Decision, Answer)>) -> Vec<(Answer, Result<Value, StoreError>)> {
    let mut view = View::new(engine);
    let mut answers = Vec::with_capacity(group.len());
    let mut committed = 0;
    for (decision, answer) in group {
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
        answers.push((answer, result));
        if view.written_bytes() > GROUP_BYTES_MAX {
            write(engine, std::mem::replace(&mut view, View::new(engine)), &mut answers[committed..]);
            committed = answers.len();
        }
    }
    write(engine, view, &mut answers[committed..]);
    answers
}

/// Commits what was decided. Where the engine fails nobody knows what applies, and all who wait are told so: also who only read,
/// since what it saw may not be.
fn write(engine: &dyn Engine, view: View<'_>, answers: &mut [(Answer, Result<Value, StoreError>)]) {
    let writes = view.into_writes();
    if writes.is_empty() {
        return;
    }
    if let Err(error) = engine.commit(writes, sync_before_ack()) {
        tracing::error!(%error, "commit failed");
        for (_, result) in answers {
            *result = Err(StoreError::Indeterminate(error.to_string()));
        }
    }
}

fn sync_before_ack() -> bool {
    !is_planted(Bug::AckBeforeSync)
}
