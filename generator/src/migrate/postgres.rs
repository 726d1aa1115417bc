//! PostgreSQL: indexes are built while rows are written, constraints hold only what is already known to be true, and whoever waits for
//! a lock gives up before others wait behind it.

use std::collections::BTreeMap;

use archgen_spec::topology::{Column, DatasetShape, Store};

use super::Migration;
use crate::context::postgres::{check_kinds, create_table, short, wall};
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
    wall_falls(store, name, was, is, lose, migration);
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
    wall_rises(store, name, was, is, migration);
    indexes(store, name, was, is, migration);
}

/// Before columns change: the policy holds on to its own.
fn wall_falls(store: &Store, name: &str, was: &Shape<'_>, is: &Shape<'_>, lose: bool, migration: &mut Migration) {
    let Some(column) = was.tenant else { return };
    let path = format!("stores.{}.tables.{name}.tenant", store.name);
    match is.tenant {
        Some(now) if now.name == column.name => return,
        Some(_) => {
            return migration.refuse(
                path,
                "rows would belong to others: add a table, copy, and drop the old one",
                false,
            );
        }
        None if !lose => return migration.refuse(path, "the wall between tenants would fall", true),
        None => {}
    }
    let table = quoted(name);
    let down = format!("{TIMEOUTS} ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;");
    migration.step(&store.name, down, "asked for: every service sees every row from here on");
    let policy = format!("{TIMEOUTS} DROP POLICY IF EXISTS tenant_wall ON {table};");
    migration.step(&store.name, policy, "it would hold on to its column, and be in the way of another wall");
    if is.columns.iter().any(|c| c.name == column.name) {
        let column = quoted(&column.name);
        let free = format!("{TIMEOUTS} ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL;");
        migration.step(&store.name, free, "a row may be nobody's again");
    }
}

/// After columns changed: a new one may be whose a row is.
fn wall_rises(store: &Store, name: &str, was: &Shape<'_>, is: &Shape<'_>, migration: &mut Migration) {
    let Some(column) = is.tenant.filter(|_| was.tenant.is_none()) else { return };
    let (table, wall) = (quoted(name), wall(name, column));
    // A row of nobody could never be seen again.
    if !is.key.iter().any(|c| c.name == column.name) {
        let (of, check) = (quoted(&column.name), quoted(&short(&format!("{name}_{}_known", column.name), name)));
        let steps = [
            (
                format!("{TIMEOUTS} ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({of} IS NOT NULL) NOT VALID;"),
                "nobody writes a row of nobody from here on; then give those that are there to somebody",
            ),
            (
                format!("{PATIENT} ALTER TABLE {table} VALIDATE CONSTRAINT {check};"),
                "reads every row and blocks nobody; fails while a row is nobody's",
            ),
            (
                format!("{TIMEOUTS} ALTER TABLE {table} ALTER COLUMN {of} SET NOT NULL;"),
                "what was validated is not read again: a lock for a moment",
            ),
            (format!("{TIMEOUTS} ALTER TABLE {table} DROP CONSTRAINT {check};"), "the column says the same now"),
        ];
        for (statement, reason) in steps {
            migration.step(&store.name, statement, reason);
        }
    }
    migration.step(
        &store.name,
        format!("{TIMEOUTS} {}", wall.policy),
        "without effect yet: let all programs SET LOCAL archgen.tenant in each transaction before the next step",
    );
    migration.step(
        &store.name,
        format!("{TIMEOUTS} {}", wall.up),
        "a transaction that has not said whose it works for sees nothing from here on",
    );
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
        if was.indexes.iter().any(|(name, _)| name == index) {
            migration.refuse(
                format!("stores.{}.tables.{name}.indexes.{index}", store.name),
                "an index of this name is there with other columns: name the new one otherwise, and the old one goes when it is built",
                false,
            );
            continue;
        }
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
