//! The seam between what runs and where it runs: network, clock, randomness, disk and tasks.
//!
//! An [`Env`] is a plain cloneable value handed to each host at construction. Nothing that holds one can tell whether it
//! lives on an operating system or in a simulation. Monotonic time is `tokio::time`, which a simulation may pause.
//!
//! Start with [`Env`], then [`net`], [`http`] (client and server over any `Net`), [`deadline`], [`disk`], [`entropy`], [`os`].

pub mod chaos;
pub mod clock;
pub mod deadline;
pub mod disk;
pub mod entropy;
mod environment;
pub mod http;
pub mod net;
pub mod os;
pub mod sabotage;
pub mod task;

pub use environment::{Env, Parts};
