//! What the simulator does to the system.

use std::time::Duration;

use serde::Serialize;

/// The `sim:` section.
#[derive(Debug, Clone, Serialize)]
pub struct Simulation {
    /// Simulated time under faults.
    pub duration: Duration,
    /// Simulated time after healing, before the final reads.
    pub settle: Duration,
    /// Simulated people.
    pub clients: u32,
    /// Sends per simulated person.
    pub sends: u32,
    /// Declared faults.
    pub faults: Vec<Fault>,
    /// Promises to check, in declared order.
    pub invariants: Vec<Invariant>,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(10),
            settle: Duration::from_secs(8),
            clients: 3,
            sends: 20,
            faults: Vec::new(),
            invariants: vec![Invariant::AckedNotLost, Invariant::PerChannelOrder, Invariant::ExactlyOnceEffect],
        }
    }
}

/// One declared fault. Components are names of services, stores, `gateway`, `realtime` or `registry`.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// How likely it is per second of simulated time, 0..=1.
    pub probability: f64,
    /// How long it lasts, least and most.
    pub lasts: (Duration, Duration),
}

/// Kinds of fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum FaultKind {
    /// No traffic between an instance of one component and an instance of the other.
    Partition {
        /// One side.
        a: String,
        /// Other side.
        b: String,
        /// Only `a` → `b` is cut.
        one_way: bool,
    },
    /// The process exits; what it wrote to the operating system survives.
    Exit {
        /// Component.
        on: String,
    },
    /// Power is lost: unsynced writes die, peers hear nothing.
    PowerLoss {
        /// Component.
        on: String,
    },
    /// Wall clock differs from true time by at most this much either way.
    ClockSkew {
        /// Component.
        on: String,
        /// Largest offset.
        by: Duration,
    },
    /// Every instance in a zone loses power.
    ZoneLoss {
        /// Zone name.
        zone: String,
    },
}

/// Promises that a run is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Invariant {
    /// Every acknowledged message is in the final history.
    AckedNotLost,
    /// All observers agree on one dense order per channel.
    PerChannelOrder,
    /// A retry with the same client id has one effect.
    ExactlyOnceEffect,
    /// Each due recipient is notified at least once.
    NotifiedAtLeastOnce,
    /// Search converges to history.
    SearchConverges,
    /// After a revocation is acknowledged nothing more reaches that user.
    RevokedMeansOut,
}

impl Invariant {
    /// Every invariant with its name in the spec.
    pub const ALL: [(&'static str, Self); 6] = [
        ("acked-not-lost", Self::AckedNotLost),
        ("per-channel-order", Self::PerChannelOrder),
        ("exactly-once-effect", Self::ExactlyOnceEffect),
        ("notified-at-least-once", Self::NotifiedAtLeastOnce),
        ("search-converges", Self::SearchConverges),
        ("revoked-means-out", Self::RevokedMeansOut),
    ];

    /// Its name in the spec.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, i)| *i == self).map_or("", |(n, _)| n)
    }
}
