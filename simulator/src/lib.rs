//! The simulator: the fleet that `archgen up` runs, in one of two engines, with faults from the spec, judged by what clients saw.
//!
//! One [`Plan`] is one [`run`]: setup, faults, healing, settling, final reads, checkers. [`run_plans`] runs many, one forked child
//! each, so that every run starts from the same process image (thread ids, hash seeds, heap layout) and replays exactly.
//! [`shrink`] makes a failing plan small, and an [`Artifact`] keeps it.
//!
//! The libc shim that closes the last sources of entropy lives in the `archgen-sim` program, never here: this library may be
//! linked into programs that serve users. The shim asks [`world`] for the time.

mod artifact;
mod children;
mod coverage;
mod doctor;
mod engine;
mod faults;
mod history;
mod invariants;
mod people;
mod plan;
mod promises;
mod rebalance;
mod report;
mod run;
#[cfg(sabotage)]
mod sabotage;
mod seeds;
mod shrink;
mod trial;
mod verdict;
pub mod world;

pub use artifact::{Artifact, ArtifactError, fingerprint};
pub use children::Hooks;
pub use doctor::{Source, doctor};
pub use engine::{EngineKind, NoFleet, RunningFleet, UnknownEngine};
pub use faults::{Action, Scheduled};
pub use invariants::unchecked;
pub use plan::{Plan, unplayable};
pub use report::{human, json, junit, page, story};
pub use run::{Recorded, run, run_on_fleet};
#[cfg(sabotage)]
pub use sabotage::{bugs, plant};
pub use seeds::{Repeat, SeedError, run_plans, run_recorded};
pub use shrink::{Shrunk, Symptom, shrink};
pub use trial::{Tried, trial_plan, try_scenario};
pub use verdict::{Run, Summary, Verdict};
