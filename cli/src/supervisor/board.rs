//! What is known of every host at this moment; whoever waits for a change is woken by one.

use std::cell::RefCell;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Where a host is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostState {
    /// For those that it needs.
    Waiting,
    /// Runs, and is not yet ready.
    Starting,
    /// Serves.
    Ready,
    /// Runs, and does not say that it is ready.
    Unhealthy,
    /// Ended, and will be started again.
    Restarting,
    /// Ended as ordered.
    Stopped,
    /// Ended, and will not be started again by itself.
    Failed,
}

impl HostState {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unhealthy => "unhealthy",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing of it runs and nothing will.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

/// One host at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Its name.
    pub host: String,
    /// What it is one of.
    pub kind: String,
    /// Where it listens.
    pub address: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Its state.
    pub state: HostState,
    /// Times that it has become ready.
    pub starts: u64,
    /// Why it is in that state, or what it waits for; may be empty.
    pub note: String,
}

/// All hosts at this moment, in the order of the topology.
#[derive(Debug)]
pub struct Board {
    hosts: RefCell<IndexMap<String, HostStatus>>,
    version: watch::Sender<u64>,
}

impl Board {
    /// A board of these hosts.
    pub fn new(hosts: impl IntoIterator<Item = HostStatus>) -> Self {
        let hosts = hosts.into_iter().map(|h| (h.host.clone(), h)).collect();
        Self { hosts: RefCell::new(hosts), version: watch::Sender::new(0) }
    }

    /// Says what became of a host.
    pub fn set(&self, host: &str, state: HostState, pid: Option<u32>, note: impl Into<String>) {
        if let Some(status) = self.hosts.borrow_mut().get_mut(host) {
            status.starts += u64::from(state == HostState::Ready && status.state != HostState::Ready);
            (status.state, status.pid, status.note) = (state, pid, note.into());
        }
        self.version.send_modify(|v| *v += 1);
    }

    /// Adds a host.
    pub fn add(&self, host: HostStatus) {
        self.hosts.borrow_mut().insert(host.host.clone(), host);
        self.version.send_modify(|v| *v += 1);
    }

    /// Forgets a host that is no part of the fleet any more.
    pub fn remove(&self, host: &str) {
        self.hosts.borrow_mut().shift_remove(host);
        self.version.send_modify(|v| *v += 1);
    }

    /// Where a host listens.
    pub fn address(&self, host: &str) -> Option<String> {
        self.hosts.borrow().get(host).map(|h| h.address.clone())
    }

    /// The state of a host.
    pub fn state(&self, host: &str) -> Option<HostState> {
        self.hosts.borrow().get(host).map(|h| h.state)
    }

    /// Every host.
    pub fn all(&self) -> Vec<HostStatus> {
        self.hosts.borrow().values().cloned().collect()
    }

    /// Waits until the condition holds, looking again after each change.
    pub async fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changes = self.version.subscribe();
        while !holds(self) {
            // The sender lives in `self`: the wait ends by a change only.
            let _ = changes.changed().await;
        }
    }
}
