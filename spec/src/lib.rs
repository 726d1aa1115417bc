//! The topology spec: text in, a resolved [`topology::Topology`] and every diagnostic out.
//!
//! Pure by design: no file system, no socket, no clock, no async. Callers read files and pass their text.
//!
//! Read the modules in the order of the data: `source` → `ast` → `lower` → `topology` → `checks`; `sharding` is the
//! placement lookup that the planner, the router and the simulator share.

pub mod sharding;
pub mod topology;
