//! The phases of a migration, and the steps of each: what to do, with which commands, and how it is taken back.

use archgen_spec::topology::StoreKind;
use serde::Serialize;

use super::{Wave, Work, cassandra, kafka, mongodb, others, postgres, redis};

/// The phases, in order. Those of a wave are gone through wave by wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// New nodes, throttles.
    Prepare,
    /// Data that are there.
    Copy,
    /// What was written meanwhile.
    CatchUp,
    /// Counts and checksums of each unit on both sides.
    Verify,
    /// Reads go to the new place.
    SwitchReads,
    /// Writes go to the new place.
    SwitchWrites,
    /// The old copies stay until it is certain that the way back is not needed.
    KeepReverse,
    /// Old copies, old nodes, throttles.
    CleanUp,
}

impl Phase {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Copy => "copy",
            Self::CatchUp => "catch up",
            Self::Verify => "verify",
            Self::SwitchReads => "switch reads",
            Self::SwitchWrites => "switch writes",
            Self::KeepReverse => "keep reverse",
            Self::CleanUp => "clean up",
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its phase.
    pub phase: Phase,
    /// Its wave, for the phases that each wave goes through.
    pub wave: Option<usize>,
    /// What it does.
    pub does: String,
    /// Exact commands; empty where the engine does it by itself.
    pub commands: Vec<String>,
    /// Exact commands that take it back; empty where there is nothing to take back.
    pub rollback: Vec<String>,
}

/// What a store says of a phase.
pub(super) struct Said {
    pub(super) does: String,
    pub(super) commands: Vec<String>,
    pub(super) rollback: Vec<String>,
}

/// Shorthand.
pub(super) fn said(does: impl Into<String>, commands: Vec<String>, rollback: Vec<String>) -> Said {
    Said { does: does.into(), commands, rollback }
}

/// Every step of a store's migration.
pub(super) fn steps(work: &Work<'_>, waves: &[Wave]) -> Vec<Step> {
    let tell = |phase: Phase, wave: Option<&Wave>| -> Step {
        let Said { does, commands, rollback } = match work.store.kind {
            _ if work.store.embedded => others::embedded(work, phase),
            StoreKind::Cassandra => cassandra::phase(work, phase, wave),
            StoreKind::Kafka => kafka::phase(work, phase, wave),
            StoreKind::Redis => redis::phase(work, phase, wave),
            StoreKind::Postgres => postgres::phase(work, phase, wave),
            StoreKind::Mongodb => mongodb::phase(work, phase, wave),
            StoreKind::Elasticsearch => others::elasticsearch(work, phase),
            StoreKind::S3 => others::s3(phase),
        };
        Step { phase, wave: wave.map(|w| w.number), does, commands, rollback }
    };
    let mut all = vec![tell(Phase::Prepare, None)];
    for wave in waves {
        for phase in [Phase::Copy, Phase::CatchUp, Phase::Verify, Phase::SwitchReads, Phase::SwitchWrites] {
            all.push(tell(phase, Some(wave)));
        }
    }
    all.extend([tell(Phase::KeepReverse, None), tell(Phase::CleanUp, None)]);
    all
}
