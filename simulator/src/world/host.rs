//! What belongs to one machine in every engine: which life its process is in, whether it is held still, and the tasks that it
//! runs.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use archgen_env::task::{Body, Compute, Done, OnRuntime, Spawner, Task, Work};
use tokio::task::AbortHandle;

thread_local! {
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The host whose code runs right now, and the task of it.
static RUNNING: Told = Told::nothing();
static RUNNING_TASK: Told = Told::nothing();

/// A name where a signal handler can read it.
struct Told {
    name: AtomicPtr<u8>,
    bytes: AtomicUsize,
}

impl Told {
    const fn nothing() -> Self {
        Self { name: AtomicPtr::new(std::ptr::null_mut()), bytes: AtomicUsize::new(0) }
    }

    fn tell(&self, name: &str) {
        self.bytes.store(name.len(), Ordering::Relaxed);
        self.name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
    }

    fn forget(&self) {
        self.name.store(std::ptr::null_mut(), Ordering::Relaxed);
    }

    fn write(&self, descriptor: libc::c_int) {
        let (name, bytes) = (self.name.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        if !name.is_null() {
            // SAFETY: names live as long as their machines, which outlive the simulation that this process is, or for ever.
            unsafe { libc::write(descriptor, name.cast(), bytes) };
        }
    }
}

/// Writes the host whose code runs right now, and its task, to a descriptor. Safe in a signal handler.
pub(crate) fn write_running_host(descriptor: libc::c_int) {
    RUNNING.write(descriptor);
    if !RUNNING_TASK.name.load(Ordering::Relaxed).is_null() {
        let between = b", task ";
        // SAFETY: the bytes are valid for their length.
        unsafe { libc::write(descriptor, between.as_ptr().cast(), between.len()) };
        RUNNING_TASK.write(descriptor);
    }
}

/// The host whose code runs on this thread right now.
pub fn current_host() -> Option<Arc<str>> {
    CURRENT.with(|c| c.try_borrow().ok().and_then(|c| c.clone()))
}

/// A machine. Cloning shares it.
#[derive(Clone)]
pub struct Machine(Arc<State>);

struct State {
    name: Arc<str>,
    life: AtomicU64,
    held: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    /// Tasks of this life, with their names.
    tasks: Mutex<Vec<(&'static str, AbortHandle)>>,
    device_ms: AtomicU64,
}

impl Machine {
    /// A machine that was never started.
    pub fn new(name: &str) -> Self {
        Self(Arc::new(State {
            name: name.into(),
            life: AtomicU64::new(0),
            held: AtomicBool::new(false),
            waiting: Mutex::default(),
            tasks: Mutex::default(),
            device_ms: AtomicU64::new(0),
        }))
    }

    /// A new life of its process; what ran in the life before is ended.
    pub fn begin_life(&self) -> u64 {
        self.end_life();
        self.0.life.load(Ordering::Relaxed)
    }

    /// Ends the process: its tasks are gone, and what is left of them has no effect.
    pub fn end_life(&self) {
        self.0.life.fetch_add(1, Ordering::Relaxed);
        let tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, task) in tasks {
            task.abort();
        }
    }

    /// Holds the process still, as SIGSTOP does; its machine goes on.
    pub fn hold(&self) {
        self.0.held.store(true, Ordering::Relaxed);
    }

    /// Lets the process go on.
    pub fn release(&self) {
        self.0.held.store(false, Ordering::Relaxed);
        for waker in std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)) {
            waker.wake();
        }
    }

    /// How long each call of the disk takes, milliseconds.
    pub fn set_device_ms(&self, device_ms: u64) {
        self.0.device_ms.store(device_ms, Ordering::Relaxed);
    }

    /// Starts the tasks of one life.
    pub fn spawner(&self, life: u64) -> Arc<dyn Spawner> {
        Arc::new(LifeSpawner { machine: self.clone(), life })
    }

    /// Runs computations in place, as slowly as the disk.
    pub fn compute(&self) -> Arc<dyn Compute> {
        Arc::new(InPlace(self.clone()))
    }

    /// This future as part of one life.
    pub fn guard(&self, life: u64, task: &'static str, body: Body) -> impl Future<Output = ()> + Send + use<> {
        Guarded { machine: self.clone(), life, task, body }
    }

    /// The tasks of its process that have not ended, by name, with how many there are.
    pub fn waiting(&self) -> BTreeMap<&'static str, usize> {
        let tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = BTreeMap::new();
        for (name, _) in tasks.iter().filter(|(_, task)| !task.is_finished()) {
            *waiting.entry(*name).or_default() += 1;
        }
        waiting
    }
}

struct LifeSpawner {
    machine: Machine,
    life: u64,
}

impl Spawner for LifeSpawner {
    fn spawn(&self, name: &'static str, body: Body) -> Task {
        let task = OnRuntime.spawn(name, Box::pin(self.machine.guard(self.life, name, body)));
        let mut tasks = self.machine.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.machine.0.life.load(Ordering::Relaxed) == self.life {
            if tasks.len() == tasks.capacity() {
                tasks.retain(|(_, task)| !task.is_finished());
            }
            tasks.push((name, task.abort_handle()));
        }
        task
    }
}

struct Guarded {
    machine: Machine,
    life: u64,
    task: &'static str,
    body: Body,
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let state = &self.machine.0;
        if state.life.load(Ordering::Relaxed) != self.life {
            return Poll::Ready(());
        }
        if state.held.load(Ordering::Relaxed) {
            state.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(context.waker().clone());
            return Poll::Pending;
        }
        let before = CURRENT.with(|c| c.replace(Some(state.name.clone())));
        // In tasks within tasks the innermost is told.
        RUNNING.tell(&state.name);
        RUNNING_TASK.tell(self.task);
        let polled = self.body.as_mut().poll(context);
        RUNNING.forget();
        RUNNING_TASK.forget();
        CURRENT.with(|c| c.replace(before));
        polled
    }
}

struct InPlace(Machine);

impl Compute for InPlace {
    fn run(&self, work: Work) -> Done {
        let device_ms = self.0.0.device_ms.load(Ordering::Relaxed);
        if device_ms == 0 {
            let result = work();
            return Box::pin(async move { Some(result) });
        }
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(device_ms)).await;
            Some(work())
        })
    }
}
