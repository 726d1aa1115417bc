//! From the tree to the topology: overlays, variables, defaults, names to ids. The only way from what is written to what
//! is meant. Every final value remembers its origin.

mod components;
mod names;
mod origins;
mod overlay;
mod profiles;
mod read;
mod resolve;
mod routes;
mod sections;
mod stores;
mod substitute;
#[cfg(test)]
mod tests;

pub use origins::{Origin, OriginSource, Origins};

pub(crate) use overlay::{Removed, merge, refuse_idle_tags, refuse_tags, tell_removed};
pub(crate) use profiles::apply as apply_profiles;
pub(crate) use resolve::resolve;
pub(crate) use stores::{declared_copies, default_port};
pub(crate) use substitute::substitute;
