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
    /// Compares counts and checksums range by range, while the giver serves.
    Verify,
    /// Hands units over, reads and writes at once: their calls wait.
    Switch,
    /// Everything has moved; the way back is kept open for a while.
    Keep,
    /// Deletes copies that were left.
    CleanUp,
    /// Nothing is left to do.
    Done,
}

/// What somebody wants of a move under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Stop moving.
    Pause,
    /// Go on.
    Resume,
    /// Move back what has moved.
    Rollback,
    /// Copy at most so many bytes a second.
    Pace(u64),
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
    /// Bytes that were copied, again where a copy had to begin anew.
    #[serde(default)]
    pub copied_bytes: u64,
    /// Most that is copied in a second, bytes.
    #[serde(default = "pace")]
    pub copied_bytes_per_second_max: u64,
    /// Until when the way back is kept, by the wall clock, milliseconds.
    #[serde(default)]
    pub keep_until_ms: u64,
}

/// Bytes a second at which a move copies where nothing else is said.
pub const COPIED_BYTES_PER_SECOND_MAX: u64 = 64 << 20;

fn pace() -> u64 {
    COPIED_BYTES_PER_SECOND_MAX
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
            copied_bytes: 0,
            copied_bytes_per_second_max: pace(),
            keep_until_ms: 0,
        }
    }

    /// Takes an order in.
    pub(crate) fn take(&mut self, order: Order) {
        match order {
            Order::Pause => self.paused = true,
            Order::Resume => self.paused = false,
            Order::Pace(bytes) => self.copied_bytes_per_second_max = bytes.max(1),
            Order::Rollback => {
                if !self.rolling_back {
                    std::mem::swap(&mut self.goal.owners, &mut self.from.owners);
                    self.rolling_back = true;
                }
                self.paused = false;
            }
        }
    }

    /// Takes in what was ordered of the same move, as it is on record, since this was read.
    pub(crate) fn obey(&mut self, stored: Self) {
        self.paused = stored.paused;
        self.copied_bytes_per_second_max = stored.copied_bytes_per_second_max;
        if self.rolling_back != stored.rolling_back {
            self.rolling_back = stored.rolling_back;
            self.goal.owners = stored.goal.owners;
            self.from.owners = stored.from.owners;
        }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }
}
