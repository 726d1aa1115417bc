//! Cassandra: keyspace and tables.

use archgen_spec::capacity::WINDOWS;
use archgen_spec::topology::{Column, Dataset, DatasetShape, Load, Store, StoreKind, Topology};
use serde::Serialize;

use super::Files;
use super::postgres::check_kinds;
use crate::GenerateError;
use crate::plan::{bucket_classes, bucket_seconds};
use crate::render::{Content, Engine};

#[derive(Serialize)]
struct Context<'a> {
    system: &'a str,
    keyspace: String,
    replication: Vec<(&'a str, u32)>,
    tables: Vec<Table<'a>>,
    keep: Keep,
}

/// How long messages are kept: as long as the declared table that is kept for longest, for ever where one is.
#[derive(Serialize)]
struct Keep {
    ttl_seconds: u64,
    window_hours: u64,
}

#[derive(Serialize)]
struct Table<'a> {
    name: &'a str,
    columns: Vec<Line<'a>>,
    partition: Vec<&'a str>,
    cluster: Vec<&'a str>,
    order: Vec<Order<'a>>,
    ttl_seconds: u64,
    window_hours: u64,
    bucket_seconds: u64,
    bucket_width: String,
    /// Where the width is derived and not the same for all keys: what each heat gets.
    widths: Vec<Width>,
    /// Name of the table that keeps them, and of its columns.
    widths_in: String,
    since: String,
    minutes: String,
    /// The partition key without its bucket.
    key: Vec<Line<'a>>,
}

/// The width of some keys' buckets.
#[derive(Serialize)]
struct Width {
    keys: u64,
    minutes: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    kind: &'a str,
}

#[derive(Serialize)]
struct Order<'a> {
    column: &'a str,
    way: &'static str,
}

/// `cassandra/<store>/schema.cql` for each Cassandra store.
pub(crate) fn files(topology: &Topology, engine: &Engine, files: &mut Files) -> Result<(), GenerateError> {
    for store in topology.stores.iter().filter(|s| s.kind == StoreKind::Cassandra) {
        let mut tables = Vec::new();
        for dataset in &store.datasets {
            tables.extend(table(store, dataset, &topology.load)?);
        }
        let declared = store.replication.iter().map(|(dc, n)| (dc.as_str(), *n)).collect();
        let replication = if store.replication.is_empty() {
            vec![(topology.registry.as_ref().map_or("datacenter1", |r| r.datacenter.as_str()), store.copies)]
        } else {
            declared
        };
        // A keyspace name takes letters, digits and `_`, 48 at most.
        let keyspace: String = store.namespace.chars().take(48).collect();
        let longest = tables.iter().map(|t: &Table<'_>| (t.ttl_seconds != 0).then_some(t.ttl_seconds));
        let ttl_seconds = longest.collect::<Option<Vec<u64>>>().and_then(|all| all.into_iter().max()).unwrap_or(0);
        let keep = Keep { ttl_seconds, window_hours: window_hours(ttl_seconds) };
        let context = Context { system: &topology.name, keyspace, replication, tables, keep };
        let text = engine.render("cassandra/schema.cql", &Content::of(&context))?;
        files.insert(format!("cassandra/{}/schema.cql", store.name), text);
    }
    Ok(())
}

/// As many windows over the time to live as capacity is reckoned with: twenty to thirty, as the compaction strategy's authors advise.
fn window_hours(ttl_seconds: u64) -> u64 {
    (ttl_seconds / 3_600 / WINDOWS).max(1)
}

fn table<'a>(store: &Store, dataset: &'a Dataset, load: &Load) -> Result<Option<Table<'a>>, GenerateError> {
    let DatasetShape::CassandraTable { partition, cluster, columns, bucket, ttl } = &dataset.shape else {
        return Ok(None);
    };
    let all = || partition.iter().chain(cluster).chain(columns);
    check_kinds(&format!("{}.{}", store.name, dataset.name), all())?;
    let names = |columns: &'a [Column]| columns.iter().map(|c| c.name.as_str()).collect();
    let ttl_seconds = ttl.map_or(0, |t| t.as_secs());
    let width = bucket_seconds(*bucket, load).unwrap_or(0);
    let classes = bucket_classes(*bucket, ttl.map(|t| t.as_secs()), load);
    let adaptive = classes.len() > 1 && partition.iter().any(|c| c.name == load.messages.key);
    Ok(Some(Table {
        name: &dataset.name,
        columns: all().map(|c| Line { name: &c.name, kind: &c.kind }).collect(),
        partition: names(partition),
        cluster: names(cluster),
        order: cluster
            .iter()
            .map(|c| Order { column: &c.name, way: if c.descending { "DESC" } else { "ASC" } })
            .collect(),
        ttl_seconds,
        window_hours: window_hours(ttl_seconds),
        bucket_seconds: width,
        bucket_width: format!("{width} seconds"),
        widths: classes
            .iter()
            .filter(|_| adaptive)
            .map(|c| Width { keys: c.keys, minutes: c.bucket_seconds / 60 })
            .collect(),
        widths_in: widths_in(&dataset.name, &store.datasets),
        since: beside(partition, "since"),
        minutes: beside(partition, "minutes"),
        key: partition.iter().filter(|c| c.name != "bucket").map(|c| Line { name: &c.name, kind: &c.kind }).collect(),
    }))
}

/// Name of the table that keeps the widths of another's buckets: none that is declared, and as short as a name must be (48 characters).
fn widths_in(table: &str, declared: &[Dataset]) -> String {
    const NAME_CHARACTERS_MAX: usize = 48;
    let name = format!("{table}_widths");
    if name.len() <= NAME_CHARACTERS_MAX && declared.iter().all(|d| d.name != name) {
        return name;
    }
    let hash = blake3::hash(table.as_bytes()).to_hex();
    format!("{}_{}_widths", &table[..table.len().min(32)], &hash.as_str()[..8])
}

/// A column's name that no column of the key has.
fn beside(key: &[Column], name: &str) -> String {
    let mut name = name.to_owned();
    while key.iter().any(|c| c.name == name) {
        name.push('_');
    }
    name
}
