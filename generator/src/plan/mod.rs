//! Plans: where each slot of each store lives, and what the declared load makes of it. Nothing here renders text but
//! the placement table.

mod chain;
mod cost;
mod engines;
mod figures;
mod heat;
mod kept;
mod loss;
mod migration;
mod moves;
mod place;
mod quota;
mod reads;
mod store;
mod table;
mod what_if;

#[cfg(test)]
mod tests;

pub use archgen_spec::capacity::{
    BucketClass, Capacity, DatasetCapacity, bucket_classes, bucket_seconds, hottest_share,
};
pub use cost::{ComponentCost, Cost};
pub use engines::{Layout, Unit, embedded_layout, embedded_relayout, engine_files, layouts, relayout};
pub use figures::{Figure, figures, figures_list};
pub use heat::Heat;
pub use loss::{Loss, copies_needed, lose};
pub use migration::{
    Migration, OwnersMigration, Pace, Phase, Step, StoreMigration, Transfer, Wave, migration, migration_table,
};
pub use moves::{Move, Moves, moves};
pub use place::{Node, plan_slots, replan};
pub use reads::Reads;
pub use store::{Balance, Plan, StorePlan, nodes_of, plan};
pub use table::{promises_table, shards_table};
pub use what_if::{Lost, Promise, Question, what_if};

pub(crate) use cost::cost;
pub(crate) use place::plan_some_slots;
