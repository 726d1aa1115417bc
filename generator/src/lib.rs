//! A topology in; a plan and the text of every artifact out.
//!
//! Pure by design: no file system, no socket, no clock, no async. Callers write the files.
//!
//! Read in the order of the data: `plan` (where slots live), `context` (what templates may say), `render` (text),
//! `ownership` (which files may be written).

mod plan;

pub use plan::{
    Balance, Capacity, DatasetCapacity, Node, Plan, StorePlan, bucket_seconds, hottest_share, plan, plan_slots, replan,
    shards_table,
};
