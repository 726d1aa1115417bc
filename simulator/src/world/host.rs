//! What belongs to one machine in every engine: which life its process is in, whether it is held still, and the tasks that it
//! runs.

use std::{
    cell::RefCell,
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

/// The name of the host whose code runs right now, where a signal handler can read it.
static RUNNING: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static RUNNING_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Writes the name of the host whose code runs right now to a descriptor. Safe in a signal handler.
pub(crate) fn write_running_host(descriptor: libc::c_int) {
    let (name, bytes) = (RUNNING.load(Ordering::Relaxed), RUNNING_BYTES.load(Ordering::Relaxed));
    if !name.is_null() {
        // SAFETY: names live as long as their machines, which outlive the simulation that this process is.
        unsafe { libc::write(descriptor, name.cast(), bytes) };
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
    tasks: Mutex<Vec<AbortHandle>>,
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
        for task in tasks {
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
    pub fn guard(&self, life: u64, body: Body) -> impl Future<Output = ()> + Send + use<> {
        Guarded { machine: self.clone(), life, body }
    }
}

struct LifeSpawner {
    machine: Machine,
    life: u64,
}

impl Spawner for LifeSpawner {
    fn spawn(&self, name: &'static str, body: Body) -> Task {
        let task = OnRuntime.spawn(name, Box::pin(self.machine.guard(self.life, body)));
        let mut tasks = self.machine.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.machine.0.life.load(Ordering::Relaxed) == self.life {
            if tasks.len() == tasks.capacity() {
                tasks.retain(|task| !task.is_finished());
            }
            tasks.push(task.abort_handle());
        }
        task
    }
}

struct Guarded {
    machine: Machine,
    life: u64,
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
        RUNNING_BYTES.store(state.name.len(), Ordering::Relaxed);
        RUNNING.store(state.name.as_ptr().cast_mut(), Ordering::Relaxed);
        let polled = self.body.as_mut().poll(context);
        RUNNING.store(std::ptr::null_mut(), Ordering::Relaxed);
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
