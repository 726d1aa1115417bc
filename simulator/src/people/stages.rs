//! The stages of a run, shared by the driver (which enters them) and the people (who follow).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::world;

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
    seen: Arc<watch::Sender<bool>>,
    ready: Arc<AtomicU32>,
    trouble: Arc<Mutex<String>>,
    doing: Arc<Mutex<BTreeMap<String, (&'static str, Duration)>>>,
}

impl Default for Stages {
    fn default() -> Self {
        Self {
            stage: Arc::new(watch::Sender::new(Stage::Setup)),
            seen: Arc::new(watch::Sender::new(false)),
            ready: Arc::default(),
            trouble: Arc::default(),
            doing: Arc::default(),
        }
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

    /// Somebody begins to do something; nothing where they have left.
    pub fn doing(&self, person: &str, what: Option<&'static str>) {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        doing.remove(person);
        if let Some(what) = what {
            doing.insert(person.to_owned(), (what, world::elapsed()));
        }
    }

    /// Who is not done, and with what, in words.
    pub fn busy(&self) -> String {
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        let told =
            doing.iter().map(|(person, (what, since))| format!("{person} {what} since {:.1} s", since.as_secs_f64()));
        told.collect::<Vec<_>>().join(", ")
    }

    /// Notes why setup does not get on.
    pub fn note(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// The last note.
    pub fn trouble(&self) -> String {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whoever looks who is there at the end has looked.
    pub fn all_seen(&self) {
        self.seen.send_replace(true);
    }

    /// Waits until nobody looks any more who is there.
    pub async fn looked_at(&self) {
        // The sender lives in `self`, so the wait ends only by the look.
        let _ = self.seen.subscribe().wait_for(|seen| *seen).await;
    }

    /// Waits until this stage or a later one.
    pub async fn reached(&self, stage: Stage) {
        let mut receiver = self.stage.subscribe();
        // The sender lives in `self`, so the wait ends only by the stage.
        let _ = receiver.wait_for(|current| *current >= stage).await;
    }
}
