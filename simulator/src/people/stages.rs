//! The stages of a run, shared by the driver (which enters them) and the people (who follow).

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::watch;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// People register and join; no fault yet.
    Setup,
    /// People talk while faults come and go.
    Faults,
    /// Everything is healed; what is queued drains.
    Settle,
    /// Final reads.
    Final,
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Faults => "faults",
            Self::Settle => "settle",
            Self::Final => "final reads",
        }
    }
}

/// The current stage. Cloning shares it.
#[derive(Clone)]
pub struct Stages {
    stage: Arc<watch::Sender<Stage>>,
    ready: Arc<AtomicU32>,
    trouble: Arc<Mutex<String>>,
}

impl Default for Stages {
    fn default() -> Self {
        Self { stage: Arc::new(watch::Sender::new(Stage::Setup)), ready: Arc::default(), trouble: Arc::default() }
    }
}

impl Stages {
    /// The stage.
    pub fn current(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Enters a stage.
    pub fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// One more person is set up.
    pub fn set_up(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether this many people are set up.
    pub fn is_set_up(&self, people: u32) -> bool {
        self.ready.load(Ordering::Relaxed) >= people
    }

    /// Notes why setup does not get on.
    pub fn note(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// The last note.
    pub fn trouble(&self) -> String {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until this stage or a later one.
    pub async fn reached(&self, stage: Stage) {
        let mut receiver = self.stage.subscribe();
        // The sender lives in `self`, so the wait ends only by the stage.
        let _ = receiver.wait_for(|current| *current >= stage).await;
    }
}
