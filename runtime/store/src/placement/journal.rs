//! What is kept of a move, on the store's first node: whoever goes on with it needs nothing else.

use serde::{Deserialize, Serialize};

use super::Placement;

/// What a move is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Copies what is there.
    Copy,
    /// Copies what was written meanwhile.
    CatchUp,
    /// Hands units over: their calls wait.
    Switch,
    /// Deletes copies that were left.
    CleanUp,
    /// Nothing is left to do.
    Done,
}

/// A hand-over that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switching {
    /// Node that gives.
    pub from: u32,
    /// Node that takes.
    pub to: u32,
    /// What is handed over.
    pub units: Vec<u16>,
    /// The placement afterwards.
    pub next: Placement,
}

/// A move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The placement that it began from: the goal of a rollback.
    pub from: Placement,
    /// Owners that it comes to, and the nodes that they are.
    pub goal: Placement,
    /// What it is doing.
    pub phase: Phase,
    /// Whether it was told to wait.
    pub paused: bool,
    /// Whether it goes back.
    pub rolling_back: bool,
    /// Units that have moved, and that are to move in all.
    pub moved: (u32, u32),
    /// A hand-over under way.
    pub switching: Option<Switching>,
    /// Longest time for which calls to a unit waited, milliseconds.
    pub waited_ms_max: u64,
}

impl Journal {
    /// A move that begins.
    pub fn begin(from: Placement, goal: Placement) -> Self {
        let all = from.owners.iter().zip(&goal.owners).filter(|(a, b)| a != b).count() as u32;
        Self {
            from,
            goal,
            phase: Phase::Copy,
            paused: false,
            rolling_back: false,
            moved: (0, all),
            switching: None,
            waited_ms_max: 0,
        }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }
}
