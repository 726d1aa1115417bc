//! From one schema to the next while it is in use: statements that hold no lock for long, in an order that old and new programs both
//! bear. What would lose data is refused unless it is asked for; what cannot be done online is refused with the reason.

mod cassandra;
mod elasticsearch;
mod kafka;
mod mongodb;
mod postgres;
mod redis;
mod s3;

#[cfg(test)]
mod tests;

use archgen_spec::topology::{Component, StoreId, StoreKind, Topology};
use serde::Serialize;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The store.
    pub store: String,
    /// What to run, in the store's own language or its tool's.
    pub statement: String,
    /// Why it is safe, or what it waits for.
    pub reason: String,
}

/// Something that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Path in the spec.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Whether it would be done if the loss of data were allowed.
    pub loses_data: bool,
}

/// The way from one schema to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// In this order.
    pub steps: Vec<Step>,
    /// What stands in the way; while there is any, nothing should be run.
    pub refusals: Vec<Refusal>,
}

impl Migration {
    fn step(&mut self, store: &str, statement: impl Into<String>, reason: &str) {
        let (store, reason) = (store.to_owned(), reason.to_owned());
        self.steps.push(Step { store, statement: statement.into(), reason });
    }

    fn refuse(&mut self, path: impl Into<String>, reason: &str, loses_data: bool) {
        self.refusals.push(Refusal { path: path.into(), reason: reason.to_owned(), loses_data });
    }
}

/// The components that call a store, by name.
fn callers(topology: &Topology, store: StoreId) -> Vec<&str> {
    let calls = |c: &Component| topology.component_calls(*c).contains(&Component::Store(store));
    topology.components().into_iter().filter(calls).map(|c| topology.component_name(c)).collect()
}

/// How to come from the schemas of `old` to those of `new`. With `lose` what loses data is done, too.
pub fn migrate(old: &Topology, new: &Topology, lose: bool) -> Migration {
    let mut migration = Migration::default();
    for (is, store) in new.stores.iter().enumerate().map(|(i, store)| (StoreId(i), store)) {
        // A new store gets its whole schema: that is in its generated files.
        let Some((was, before)) = old.store_named(&store.name) else { continue };
        if before.kind != store.kind {
            let path = format!("stores.{}.kind", store.name);
            migration.refuse(path, "another engine: the data must be copied", false);
            continue;
        }
        if before.namespace != store.namespace && !store.embedded {
            let path = format!("stores.{}.namespace", store.name);
            migration.refuse(path, "the data would be looked for under another name: copy them there", false);
            continue;
        }
        match store.kind {
            StoreKind::Postgres => postgres::migrate(before, store, lose, &mut migration),
            StoreKind::Cassandra => cassandra::migrate(before, store, lose, &mut migration),
            StoreKind::Kafka => kafka::migrate(before, store, lose, &mut migration),
            StoreKind::Mongodb => mongodb::migrate(before, store, lose, &mut migration),
            StoreKind::Elasticsearch => elasticsearch::migrate(before, store, lose, &mut migration),
            StoreKind::S3 => s3::migrate((old, was), (new, is), lose, &mut migration),
            StoreKind::Redis => {
                let callers = redis::Callers { before: callers(old, was), after: callers(new, is) };
                redis::migrate(before, store, &callers, lose, &mut migration);
            }
        }
    }
    for store in old.stores.iter().filter(|s| !new.stores.iter().any(|n| n.name == s.name)) {
        if !lose {
            migration.refuse(
                format!("stores.{}", store.name),
                "the store is gone from the spec: its data would be lost",
                true,
            );
        }
    }
    migration
}
