//! Tasks, computations and the order to stop.

use std::{
    any::Any,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use tracing::Instrument;

/// A running task. Dropping the handle leaves it running; [`Task::abort`] ends it.
#[derive(Debug)]
pub struct Task(tokio::task::JoinHandle<()>);

impl Task {
    /// Ends the task at its next await.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Ends the task at its next await, from wherever the handle is kept.
    pub fn abort_handle(&self) -> tokio::task::AbortHandle {
        self.0.abort_handle()
    }

    /// Waits for its end; `false` when it panicked or was aborted.
    pub async fn join(self) -> bool {
        self.0.await.is_ok()
    }
}

/// What a task does.
pub type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts the tasks of one host, so that a simulation can hold them still or end them with it.
pub trait Spawner: Send + Sync + 'static {
    /// Starts a task. The name is for logs and panics.
    fn spawn(&self, name: &'static str, body: Body) -> Task;
}

/// Tasks on the runtime of the caller.
pub struct OnRuntime;

impl Spawner for OnRuntime {
    #[expect(clippy::disallowed_methods, reason = "this is what Env::spawn is made of")]
    fn spawn(&self, name: &'static str, body: Body) -> Task {
        Task(tokio::spawn(body.instrument(tracing::debug_span!("task", name))))
    }
}

/// Work handed to [`Compute`], its result erased.
pub type Work = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;
/// The future of an erased result; `None` when the work panicked.
pub type Done = Pin<Box<dyn Future<Output = Option<Box<dyn Any + Send>>> + Send>>;

/// Where long computations run.
pub trait Compute: Send + Sync + 'static {
    /// Runs the work.
    fn run(&self, work: Work) -> Done;
}

/// Runs work where it is called: the simulation's way, in which no thread exists.
pub struct Inline;

impl Compute for Inline {
    fn run(&self, work: Work) -> Done {
        let result = work();
        Box::pin(async move { Some(result) })
    }
}

pub(crate) async fn run<T, F>(compute: &dyn Compute, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let done = compute.run(Box::new(move || Box::new(work()) as Box<dyn Any + Send>)).await;
    match done.and_then(|any| any.downcast::<T>().ok()) {
        Some(result) => *result,
        // The work panicked: carry the panic on, as if it had run here.
        None => std::panic::resume_unwind(Box::new("a computation panicked")),
    }
}

/// The order to stop, given once and seen by all.
#[derive(Clone)]
pub struct Shutdown {
    sender: Arc<watch::Sender<bool>>,
    reason: Arc<Mutex<Option<String>>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { sender: Arc::new(watch::channel(false).0), reason: Arc::default() }
    }
}

impl Shutdown {
    /// Orders the stop.
    pub fn trigger(&self, reason: &str) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| reason.to_owned());
        self.sender.send_replace(true);
    }

    /// Whether the stop was ordered.
    pub fn is_triggered(&self) -> bool {
        *self.sender.borrow()
    }

    /// Why, once ordered.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the order.
    pub async fn triggered(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives in `self`, so the wait ends only by the order.
        let _ = receiver.wait_for(|ordered| *ordered).await;
    }
}
