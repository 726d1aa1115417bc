//! The plan of a store in the terms of its engine: what its own tools are told. `layout` decides, the other files write.
//!
//! Engines do not place 16,384 slots: Kafka places partitions, Cassandra token ranges, PostgreSQL hash partitions, MongoDB
//! chunks. Each of these is a slot map of its own kind, made by the same planner.

mod cassandra;
mod elasticsearch;
mod kafka;
mod layout;
mod mongodb;
mod postgres;
mod redis;
mod s3;

#[cfg(test)]
mod tests;

use archgen_spec::topology::{StoreId, StoreKind, Topology};

pub use layout::{Layout, Unit, embedded_layout, embedded_relayout, layouts, relayout};

pub(super) use cassandra::{rack_offset, token};
pub(super) use kafka::{broker, topic};
pub(super) use mongodb::boundary;
#[cfg(test)]
use redis::ranges;

/// Files of a store's plan: path below `plan/<store>/`, and text.
pub fn engine_files(topology: &Topology, id: StoreId) -> Vec<(String, String)> {
    let store = topology.store(id);
    let all = layouts(topology, id);
    match store.kind {
        StoreKind::Cassandra => cassandra::files(store, &all),
        StoreKind::Kafka => kafka::files(store, &all),
        StoreKind::Redis => redis::files(store, &all),
        StoreKind::Postgres => postgres::files(store, &all),
        StoreKind::Mongodb => mongodb::files(store, &all),
        StoreKind::Elasticsearch => elasticsearch::files(topology, store, &all),
        StoreKind::S3 => s3::files(store),
    }
}
