//! A topology in; a plan and the text of every artifact out.
//!
//! Pure by design: no file system, no socket, no clock, no async. Callers write the files.
//!
//! Read in the order of the data: `plan` (where slots live), `context` (what templates may say), `render` (text),
//! `artifacts` (targets and their files), `ownership` (which files may be written). `system` holds what several of them derive, once;
//! `members` writes nginx's lists by the registry instead of by plan.

mod addresses;
mod artifacts;
mod context;
pub mod diff;
pub mod import;
mod members;
pub mod migrate;
mod ownership;
mod parallel;
mod picture;
mod plan;
mod render;
mod system;

pub use addresses::private_address;
pub use artifacts::{Address, Artifacts, FACTS_PATH, GenerateError, GraphFormat, Options, Target, generate, graph};
pub use context::schema_facts::{SchemaFacts, schema_facts};
pub use context::spec_text::SPEC_SHOWN_BYTES_MAX;
pub use members::{Members, is_synced, keep_synced, member_files, synced};
pub use ownership::{MANIFEST_PATH, Manifest, WritePlan, content_hash, reconcile};
pub use parallel::mapped;
pub use picture::{Theme, View, difference, picture};
pub use plan::{
    Balance, BucketClass, Capacity, ComponentCost, Cost, DatasetCapacity, Figure, Heat, Layout, Loss, Lost, Migration,
    Move, Moves, Node, OwnersMigration, Pace, Phase, Plan, Promise, Question, Reads, Step, StoreMigration, StorePlan,
    Transfer, Unit, Wave, bucket_classes, bucket_seconds, embedded_layout, embedded_relayout, engine_files, figures,
    figures_list, hottest_share, layouts, lose, migration, migration_table, moves, nodes_of, plan, plan_slots,
    promises_table, relayout, replan, shards_table, what_if,
};
