//! From one schema to the next while it is in use: statements that hold no lock for long, in an order that old and new programs both
//! bear. What would lose data is refused unless it is asked for; what cannot be done online is refused with the reason.

mod cassandra;
mod kafka;
mod postgres;

#[cfg(test)]
mod tests;

use archgen_spec::topology::{StoreKind, Topology};
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

/// How to come from the schemas of `old` to those of `new`. With `lose` what loses data is done, too.
pub fn migrate(old: &Topology, new: &Topology, lose: bool) -> Migration {
    let mut migration = Migration::default();
    for store in &new.stores {
        match old.stores.iter().find(|s| s.name == store.name) {
            Some(was) if was.kind != store.kind => {
                let path = format!("stores.{}.kind", store.name);
                migration.refuse(path, "another engine: the data must be copied", false);
            }
            Some(was) => match store.kind {
                StoreKind::Postgres => postgres::migrate(was, store, lose, &mut migration),
                StoreKind::Cassandra => cassandra::migrate(was, store, lose, &mut migration),
                StoreKind::Kafka => kafka::migrate(was, store, lose, &mut migration),
                // Collections, indexes, keys and buckets come to be without a schema of their own.
                StoreKind::Redis | StoreKind::Mongodb | StoreKind::Elasticsearch | StoreKind::S3 => {}
            },
            // A new store gets its whole schema: that is in its generated files.
            None => {}
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
