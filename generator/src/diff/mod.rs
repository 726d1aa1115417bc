//! What differs between two systems, as data: components, routes, tables, instances, slots, delays. Files are `ownership`'s.

mod facts;
mod semantic;

#[cfg(test)]
mod tests;

pub use facts::{Facts, facts};
pub use semantic::{Change, ChangeKind, Difference, changes, difference_of_facts};
