//! The stages of a run, shared by the driver (which enters them) and the people (who follow).

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU8, AtomicU32, Ordering},
};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
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

/// The current stage. Cloning shares it.
#[derive(Clone, Default)]
pub struct Stages {
    stage: Arc<AtomicU8>,
    ready: Arc<AtomicU32>,
    trouble: Arc<Mutex<String>>,
}

impl Stages {
    /// The stage.
    pub fn current(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Setup,
            1 => Stage::Faults,
            2 => Stage::Settle,
            _ => Stage::Final,
        }
    }

    /// Enters a stage.
    pub fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
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

    /// Waits, in simulated time, until this stage or a later one.
    pub async fn reached(&self, stage: Stage) {
        while self.current() < stage {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
