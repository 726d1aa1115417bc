//! The resolved model: every name an id, every default decided, every unit a number.
//!
//! Nothing here knows YAML. `lower` is the only place that builds a [`Topology`] from a file; everything
//! downstream (generator, fleet, simulator, command line) reads this model and nothing else.

mod component;
mod instance;
mod load;
mod objectives;
mod prices;
mod simulation;
mod store;
mod system;

pub use component::*;
pub use instance::*;
pub use load::*;
pub use objectives::*;
pub use prices::*;
pub use simulation::*;
pub use store::*;
pub use system::*;
