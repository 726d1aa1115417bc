//! From one plan to another: what moves, in which waves, how long that takes, and what is to be done in each phase and how it
//! is taken back. `waves` orders the transfers, a file for each kind of store says what its tools are told, `table` prints.

mod cassandra;
mod kafka;
mod mongodb;
mod others;
mod postgres;
mod redis;
mod steps;
mod table;
mod waves;
mod whole;

#[cfg(test)]
mod tests;

pub use steps::{Phase, Step};
pub use table::migration_table;
pub use waves::{Transfer, Wave};
pub use whole::{Migration, OwnersMigration, Pace, StoreMigration, migration};

use whole::Work;
