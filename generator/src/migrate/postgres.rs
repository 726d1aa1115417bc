//! PostgreSQL: indexes are built while rows are written, constraints hold only what is already known to be true, and whoever waits for
//! a lock gives up before others wait behind it.

use std::collections::BTreeMap;

use archgen_spec::topology::{Column, DatasetShape, Store};

use super::Migration;
use crate::context::postgres::{check_kinds, create_table, short};
use crate::render::sql_identifier as quoted;

/// Before each statement: a lock that is not had within two seconds is given up, so that nobody queues behind this.
const TIMEOUTS: &str = "SET lock_timeout = '2s'; SET statement_timeout = '60s';";
/// For what reads every row but blocks nobody.
const PATIENT: &str = "SET lock_timeout = '2s'; SET statement_timeout = 0;";

struct Shape<'a> {
    key: &'a [Column],
    columns: &'a [Column],
    shard: Option<&'a (String, u32)>,
    tenant: Option<&'a Column>,
    indexes: &'a [(String, Vec<String>)],
}

fn shapes(store: &Store) -> BTreeMap<&str, Shape<'_>> {
    let tables = store.datasets.iter().filter_map(|d| match &d.shape {
        DatasetShape::PostgresTable { key, columns, shard, tenant, indexes } => {
            let tenant = tenant.as_ref().and_then(|t| key.iter().chain(columns).find(|c| c.name == *t));
            Some((d.name.as_str(), Shape { key, columns, shard: shard.as_ref(), tenant, indexes }))
        }
        _ => None,
    });
    tables.collect()
}

pub(super) fn migrate(old: &Store, new: &Store, lose: bool, migration: &mut Migration) {
    let (before, after) = (shapes(old), shapes(new));
    for (name, table) in &after {
        let path = format!("stores.{}.tables.{name}", new.name);
        if check_kinds(&path, table.key.iter().chain(table.columns)).is_err() {
            migration.refuse(path, "a column's type is none", false);
            continue;
        }
        match before.get(name) {
            Some(was) => alter(new, name, was, table, lose, migration),
            None => match create_table(&new.datasets, name) {
                Ok(statement) => {
                    let whole = format!("{TIMEOUTS}\n{}", statement.trim());
                    migration.step(&new.name, whole, "nobody knows a new table yet");
                }
                Err(error) => migration.refuse(path, &error.to_string(), false),
            },
        }
    }
    for name in before.keys().filter(|n| !after.contains_key(*n)) {
        if lose {
            migration.step(&new.name, format!("{TIMEOUTS} DROP TABLE IF EXISTS {};", quoted(name)), "asked for");
        } else {
            migration.refuse(format!("stores.{}.tables.{name}", new.name), "its rows would be lost", true);
        }
    }
}

fn alter(store: &Store, name: &str, was: &Shape<'_>, is: &Shape<'_>, lose: bool, migration: &mut Migration) {
    let path = |what: &str| format!("stores.{}.tables.{name}.{what}", store.name);
    let names = |columns: &[Column]| columns.iter().map(|c| (c.name.clone(), c.kind.clone())).collect::<Vec<_>>();
    if names(was.key) != names(is.key) {
        migration.refuse(path("key"), "another primary key is another table: copy the rows into a new one", false);
    }
    if was.shard != is.shard {
        migration.refuse(
            path("shard"),
            "other partitions: `archgen shards --from --to` says how rows are moved",
            false,
        );
    }
    let table = quoted(name);
    for column in is.columns {
        let here = path(&format!("columns.{}", column.name));
        match was.columns.iter().find(|c| c.name == column.name) {
            None => add(store, name, column, is.shard.is_some(), &here, migration),
            Some(before) if before.kind != column.kind => {
                migration.refuse(
                    here,
                    "another type rewrites the table under a lock: add a column, copy, and drop the old one",
                    false,
                );
            }
            Some(before) if before.unique && !column.unique => {
                let constraint = quoted(&short(&format!("{name}_{}_unique", column.name), name));
                let statement = format!("{TIMEOUTS} ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint};");
                migration.step(&store.name, statement, "takes a lock for a moment");
            }
            Some(before) if !before.unique && column.unique => {
                unique(store, name, column, is.shard.is_some(), &here, migration)
            }
            Some(_) => {}
        }
    }
    for column in was.columns.iter().filter(|c| !is.columns.iter().any(|n| n.name == c.name)) {
        let here = path(&format!("columns.{}", column.name));
        if lose {
            let statement = format!("{TIMEOUTS} ALTER TABLE {table} DROP COLUMN IF EXISTS {};", quoted(&column.name));
            migration.step(&store.name, statement, "asked for; the space comes back as rows are rewritten");
        } else {
            migration.refuse(here, "its values would be lost", true);
        }
    }
    tenant(store, name, was, is, lose, migration);
    indexes(store, name, was, is, migration);
}

fn tenant(store: &Store, name: &str, was: &Shape<'_>, is: &Shape<'_>, lose: bool, migration: &mut Migration) {
    let (from, to) = (was.tenant.map(|c| &c.name), is.tenant.map(|c| &c.name));
    if from == to {
        return;
    }
    let table = quoted(name);
    let path = format!("stores.{}.tables.{name}.tenant", store.name);
    match is.tenant {
        None if lose => {
            let statement =
                format!("{TIMEOUTS} ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;");
            migration.step(&store.name, statement, "asked for: every service sees every row from here on");
        }
        None => migration.refuse(path, "the wall between tenants would fall", true),
        Some(_) if was.tenant.is_some() => {
            migration.refuse(path, "rows would belong to others: add a table, copy, and drop the old one", false);
        }
        Some(column) => {
            let policy = format!(
                "{TIMEOUTS} CREATE POLICY tenant_wall ON {table} USING ({} = NULLIF(current_setting('archgen.tenant', true), '')::{});",
                quoted(&column.name),
                column.kind
            );
            migration.step(
                &store.name,
                policy,
                "without effect yet: let all programs SET archgen.tenant before the next step",
            );
            let wall = format!("{TIMEOUTS} ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;");
            migration.step(
                &store.name,
                wall,
                "a connection that has not said whose it works for sees nothing from here on",
            );
        }
    }
}

fn add(store: &Store, table: &str, column: &Column, sharded: bool, path: &str, migration: &mut Migration) {
    let statement = format!(
        "{TIMEOUTS} ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {};",
        quoted(table),
        quoted(&column.name),
        column.kind
    );
    migration.step(&store.name, statement, "without a default no row is rewritten");
    if column.unique {
        unique(store, table, column, sharded, path, migration);
    }
}

fn unique(store: &Store, table: &str, column: &Column, sharded: bool, path: &str, migration: &mut Migration) {
    if sharded {
        migration.refuse(
            path,
            "a hash-partitioned table needs a table of claims: create it, write both, copy, then rely on it",
            false,
        );
        return;
    }
    let constraint = quoted(&short(&format!("{table}_{}_unique", column.name), table));
    let (table, column) = (quoted(table), quoted(&column.name));
    let build = format!("{PATIENT} CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {constraint} ON {table} ({column});");
    migration.step(&store.name, build, "rows are written meanwhile; outside a transaction");
    let adopt = format!("{TIMEOUTS} ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE USING INDEX {constraint};");
    migration.step(&store.name, adopt, "the index is there: a lock for a moment");
}

fn indexes(store: &Store, name: &str, was: &Shape<'_>, is: &Shape<'_>, migration: &mut Migration) {
    let table = quoted(name);
    for (index, columns) in is.indexes.iter().filter(|i| !was.indexes.contains(i)) {
        let columns = columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
        let whole = short(&format!("{name}_{index}"), name);
        if let Some((_, parts)) = is.shard {
            let statement =
                format!("{TIMEOUTS} CREATE INDEX IF NOT EXISTS {} ON ONLY {table} ({columns});", quoted(&whole));
            migration.step(&store.name, statement, "on no partition yet: nothing is read");
            for part in 0..*parts {
                let partition = short(&format!("{name}_p{part:04}"), name);
                let own = short(&format!("{partition}_{index}"), name);
                let build = format!(
                    "{PATIENT} CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON {} ({columns});",
                    quoted(&own),
                    quoted(&partition)
                );
                migration.step(&store.name, build, "rows are written meanwhile; outside a transaction");
                let attach = format!("{TIMEOUTS} ALTER INDEX {} ATTACH PARTITION {};", quoted(&whole), quoted(&own));
                migration.step(&store.name, attach, "a lock for a moment");
            }
        } else {
            let build =
                format!("{PATIENT} CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ON {table} ({columns});", quoted(&whole));
            migration.step(&store.name, build, "rows are written meanwhile; outside a transaction");
        }
    }
    for (index, columns) in was.indexes.iter().filter(|(i, _)| !is.indexes.iter().any(|(n, _)| n == i)) {
        let whole = quoted(&short(&format!("{name}_{index}"), name));
        let statement = if was.shard.is_some() {
            format!("{TIMEOUTS} DROP INDEX IF EXISTS {whole};")
        } else {
            format!("{PATIENT} DROP INDEX CONCURRENTLY IF EXISTS {whole};")
        };
        migration.step(&store.name, statement, &format!("nobody asks by {} any more", columns.join(", ")));
    }
}
