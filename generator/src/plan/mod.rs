//! Plans: where each slot of each store lives, and what the declared load makes of it. Nothing here renders text but
//! the placement table.

mod chain;
mod kept;
mod place;
mod quota;
mod store;
mod table;

#[cfg(test)]
mod tests;

pub use archgen_spec::capacity::{Capacity, DatasetCapacity, bucket_seconds, hottest_share};
pub use place::{Node, plan_slots, replan};
pub use store::{Balance, Plan, StorePlan, plan};
pub use table::shards_table;

pub(crate) use place::plan_some_slots;
