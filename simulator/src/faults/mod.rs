//! Faults: a schedule derived from the spec and the seed, and its application to the world.

mod action;
mod derive;
mod inject;
mod schedule;
#[cfg(test)]
mod tests;

pub use action::{Action, HOST_KINDS, LINK_KINDS, Scheduled};
#[cfg(test)]
pub(crate) use derive::reference;
pub use inject::Injector;
pub use schedule::schedule;
