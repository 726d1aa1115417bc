//! PostgreSQL: tables, hash partitions and indexes.

use archgen_spec::topology::{Column, DatasetShape, StoreKind, Topology};
use serde::Serialize;

use super::Files;
use crate::GenerateError;
use crate::render::Engine;

#[derive(Serialize)]
struct Context<'a> {
    system: &'a str,
    store: &'a str,
    tables: Vec<Table<'a>>,
}

#[derive(Serialize)]
struct Table<'a> {
    name: &'a str,
    columns: Vec<Line<'a>>,
    key: Vec<&'a str>,
    shard: Option<&'a str>,
    partitions: Vec<Partition>,
    unique: Vec<Unique<'a>>,
    indexes: Vec<Index<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    kind: &'a str,
    required: bool,
}

#[derive(Serialize)]
struct Partition {
    name: String,
    modulus: u32,
    remainder: u32,
}

/// A unique column. A partitioned table can promise uniqueness only together with its shard column, so that such a
/// column gets a table of claims beside it.
#[derive(Serialize)]
struct Unique<'a> {
    column: &'a str,
    kind: &'a str,
    constraint: String,
    claims: Option<String>,
}

#[derive(Serialize)]
struct Index<'a> {
    name: String,
    columns: &'a [String],
}

/// `postgres/<store>/schema.sql` and `rollback.sql` for each PostgreSQL store.
pub(crate) fn files(topology: &Topology, engine: &Engine, files: &mut Files) -> Result<(), GenerateError> {
    for store in topology.stores.iter().filter(|s| s.kind == StoreKind::Postgres) {
        let mut tables = Vec::new();
        for dataset in &store.datasets {
            if let DatasetShape::PostgresTable { key, columns, shard, indexes } = &dataset.shape {
                let place = format!("{}.{}", store.name, dataset.name);
                check_kinds(&place, key.iter().chain(columns))?;
                tables.push(table(&dataset.name, key, columns, shard.as_ref(), indexes));
            }
        }
        let context = Context { system: &topology.name, store: &store.name, tables };
        for file in ["schema.sql", "rollback.sql"] {
            let text = engine.render(&format!("postgres/{file}"), &context)?;
            files.insert(format!("postgres/{}/{file}", store.name), text);
        }
    }
    Ok(())
}

/// Types are placed as they stand, so that only what looks like one may pass.
pub(crate) fn check_kinds<'a>(dataset: &str, columns: impl Iterator<Item = &'a Column>) -> Result<(), GenerateError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_ ,()[]<>".contains(c);
    for column in columns {
        if column.kind.is_empty() || !column.kind.chars().all(legal) {
            let (dataset, column, kind) = (dataset.to_owned(), column.name.clone(), column.kind.clone());
            return Err(GenerateError::ColumnType { dataset, column, kind });
        }
    }
    Ok(())
}

fn table<'a>(
    name: &'a str,
    key: &'a [Column],
    columns: &'a [Column],
    shard: Option<&'a (String, u32)>,
    indexes: &'a [(String, Vec<String>)],
) -> Table<'a> {
    let line = |c: &'a Column, required| Line { name: &c.name, kind: &c.kind, required };
    let modulus = shard.map_or(0, |s| s.1);
    let partition = |remainder| Partition { name: short(&format!("{name}_p{remainder:04}"), name), modulus, remainder };
    let unique = columns.iter().filter(|c| c.unique).map(|c| Unique {
        column: &c.name,
        kind: &c.kind,
        constraint: short(&format!("{name}_{}_unique", c.name), name),
        claims: shard.map(|_| short(&format!("{name}_{}_claims", c.name), name)),
    });
    Table {
        name,
        columns: key.iter().map(|c| line(c, true)).chain(columns.iter().map(|c| line(c, false))).collect(),
        key: key.iter().map(|c| c.name.as_str()).collect(),
        shard: shard.map(|s| s.0.as_str()),
        partitions: (0..modulus).map(partition).collect(),
        unique: unique.collect(),
        indexes: indexes
            .iter()
            .map(|(index, columns)| Index { name: short(&format!("{name}_{index}"), name), columns })
            .collect(),
    }
}

/// PostgreSQL cuts identifiers at 63 bytes without a word; a longer one ends in a hash of the whole instead.
fn short(name: &str, table: &str) -> String {
    if name.len() <= 63 {
        return name.to_owned();
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    format!("{}_{}", &table[..table.len().min(46)], &hash.as_str()[..16])
}
