//! The simulator: the fleet that `archgen up` runs, under turmoil, with faults from the spec, judged by what clients saw.
//!
//! One seed is one [`run`]: setup, faults, healing, settling, final reads, checkers. [`seeds`] runs many, one forked child each,
//! so that every run starts from the same process image (thread ids, hash seeds, heap layout) and replays exactly.
//!
//! The libc shim that closes the last sources of entropy lives in the `archgen-sim` program, never here: this library may be
//! linked into programs that serve users. The shim asks [`world`] for the time.

mod engine;
mod faults;
mod history;
mod invariants;
mod people;
mod plan;
mod report;
mod run;
#[cfg(sabotage)]
mod sabotage;
mod seeds;
mod verdict;
pub mod world;

pub use engine::{EngineKind, UnknownEngine};
pub use faults::{Action, Scheduled};
pub use invariants::unchecked;
pub use plan::Plan;
pub use report::{human, json};
pub use run::run;
#[cfg(sabotage)]
pub use sabotage::plant;
pub use seeds::{Hooks, SeedError, run_plans};
pub use verdict::{Run, Summary, Verdict};
