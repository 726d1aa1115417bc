//! Faults: a schedule derived from the spec and the seed, and its application to the world.

mod action;
mod inject;
mod schedule;
#[cfg(test)]
mod tests;

pub use action::{Action, Scheduled};
pub use inject::Injector;
pub use schedule::schedule;
