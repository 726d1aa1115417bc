//! Faults: a schedule derived from the spec and the seed, and its application to the world.

mod inject;
mod schedule;

pub use inject::Injector;
pub use schedule::{Action, Scheduled, schedule};
