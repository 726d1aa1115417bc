//! [`Plan`]: everything that decides a run, written out. A seed makes one; an artifact keeps one; shrinking makes it smaller.

use std::time::Duration;

use archgen_spec::topology::Topology;
use serde::{Deserialize, Serialize};

use crate::{
    engine::EngineKind,
    faults::{Scheduled, schedule},
    rebalance,
};

/// The faults of a plan that a fleet of real processes cannot be made to meet, in words: those of its disks, and moves of data.
pub fn unplayable(plan: &Plan) -> Vec<String> {
    let faults = plan.schedule.iter().filter(|fault| fault.action.is_of_disks());
    let moves = plan.rebalance.then(|| "nodes of the message store become more and fewer".to_owned());
    faults.map(ToString::to_string).chain(moves).collect()
}

/// A run to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Engine.
    pub engine: EngineKind,
    /// Seed of everything random beside the schedule.
    pub seed: u64,
    /// People.
    pub people: u32,
    /// Sends of each.
    pub sends: u32,
    /// Length of the fault phase, milliseconds.
    pub duration_ms: u64,
    /// Time to settle after healing, milliseconds.
    pub settle_ms: u64,
    /// Every fault, expanded.
    pub schedule: Vec<Scheduled>,
    /// Whether nodes of the message store become more and fewer meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rebalance: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(topology: &Topology, engine: EngineKind, seed: u64) -> Self {
        let ms = |duration: Duration| duration.as_millis() as u64;
        let declared = &topology.simulation;
        Self {
            engine,
            seed,
            people: declared.clients,
            sends: declared.sends,
            duration_ms: ms(declared.duration),
            settle_ms: ms(declared.settle),
            schedule: schedule(topology, seed),
            rebalance: false,
        }
    }

    /// The plan of a seed in which the message store's data move between its nodes.
    pub fn rebalancing(topology: &Topology, engine: EngineKind, seed: u64) -> Self {
        Self { schedule: rebalance::schedule(topology, seed), rebalance: true, ..Self::of(topology, engine, seed) }
    }
}
