//! Cassandra: columns come at once; what identifies a row never changes.

use archgen_spec::topology::{Column, DatasetShape, Store};

use super::Migration;
use crate::render::sql_identifier as quoted;

pub(super) fn migrate(old: &Store, new: &Store, lose: bool, migration: &mut Migration) {
    let keyspace = quoted(&new.namespace.chars().take(48).collect::<String>());
    for dataset in &new.datasets {
        let DatasetShape::CassandraTable { partition, cluster, columns, bucket, ttl } = &dataset.shape else {
            continue;
        };
        let path = |what: &str| format!("stores.{}.tables.{}.{what}", new.name, dataset.name);
        let before = old.datasets.iter().find(|d| d.name == dataset.name).map(|d| &d.shape);
        let Some(DatasetShape::CassandraTable { partition: p, cluster: c, columns: had, bucket: b, ttl: t }) = before
        else {
            // The generated schema creates what is not there, and may be run again.
            migration.step(&new.name, "SOURCE 'schema.cql';", "it creates only what is not there");
            continue;
        };
        if p != partition || c != cluster {
            migration.refuse(path("partition"), "what identifies a row cannot change: copy into a new table", false);
        }
        if b != bucket {
            migration.refuse(
                path("bucket"),
                "rows would be looked for in other partitions: copy into a new table",
                false,
            );
        }
        let table = format!("{keyspace}.{}", quoted(&dataset.name));
        alter(new, &table, had, columns, lose, &path, migration);
        if t != ttl {
            let seconds = ttl.map_or(0, |time| time.as_secs());
            let statement = format!("ALTER TABLE {table} WITH default_time_to_live = {seconds};");
            migration.step(&new.name, statement, "rows that are there keep the time that they were written with");
        }
    }
    for dataset in old.datasets.iter().filter(|d| !new.datasets.iter().any(|n| n.name == d.name)) {
        if lose {
            let statement = format!("DROP TABLE IF EXISTS {keyspace}.{};", quoted(&dataset.name));
            migration.step(&new.name, statement, "asked for; a snapshot is kept where auto_snapshot is on");
        } else {
            migration.refuse(format!("stores.{}.tables.{}", new.name, dataset.name), "its rows would be lost", true);
        }
    }
}

fn alter(
    store: &Store,
    table: &str,
    had: &[Column],
    columns: &[Column],
    lose: bool,
    path: &dyn Fn(&str) -> String,
    migration: &mut Migration,
) {
    for column in columns {
        match had.iter().find(|c| c.name == column.name) {
            None => {
                let statement = format!("ALTER TABLE {table} ADD {} {};", quoted(&column.name), column.kind);
                migration.step(&store.name, statement, "a change of metadata");
            }
            Some(before) if before.kind != column.kind => {
                migration.refuse(path(&format!("columns.{}", column.name)), "a column's type cannot change", false);
            }
            Some(_) => {}
        }
    }
    for column in had.iter().filter(|c| !columns.iter().any(|n| n.name == c.name)) {
        if lose {
            let statement = format!("ALTER TABLE {table} DROP {};", quoted(&column.name));
            migration.step(&store.name, statement, "asked for");
        } else {
            migration.refuse(path(&format!("columns.{}", column.name)), "its values would be lost", true);
        }
    }
}
