//! Stores and their datasets.

use crate::ast::{self, BucketWidth, ColumnsOf, Dataset as Written, Field, KeyColumns, Named};
use crate::checks::{bad_weight, datasets_of, missing_key, out_of_range};
use crate::sharding::SLOTS;
use crate::source::Spanned;
use crate::topology::{
    Authority, Bucket, Column, Consistency, Credentials, Dataset, DatasetShape, Standby, Store, StoreKind,
};

use super::resolve::Resolution;

/// The default port of an engine.
fn port(kind: StoreKind) -> (u16, &'static str, &'static str) {
    match kind {
        StoreKind::Redis => (6379, "6379", "the default of Redis"),
        StoreKind::Postgres => (5432, "5432", "the default of PostgreSQL"),
        StoreKind::Cassandra => (9042, "9042", "the default of Cassandra"),
        StoreKind::Mongodb => (27_017, "27017", "the default of MongoDB"),
        StoreKind::Kafka => (9092, "9092", "the default of Kafka"),
        StoreKind::Elasticsearch => (9200, "9200", "the default of Elasticsearch"),
        StoreKind::S3 => (9000, "9000", "usual for S3-compatible stores"),
    }
}

/// The port that an engine listens on where nobody says another.
pub(crate) fn default_port(kind: StoreKind) -> u16 {
    port(kind).0
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// One store.
pub(super) fn store(named: &Named<ast::Store>, work: &mut Resolution<'_>) -> Store {
    let written = &named.value;
    let name = &named.name.value;
    let path = |key: &str| format!("stores.{name}.{key}");
    // A store without a kind has been reported; any kind serves for the rest of the checks.
    let kind = written.kind.map_or(StoreKind::Redis, |k| k.value);
    // A faulty `embedded` has been reported; taking it for true keeps checks of real engines from adding to it.
    let said = written.embedded.map(|e| e.value).or(written.said.contains(&"embedded").then_some(true));
    let embedded = work.or(said, || path("embedded"), false, "false", "the real engine");
    let nodes = nodes(named, kind, work);
    let datasets: Vec<Dataset> = datasets_of(written).iter().map(|d| dataset(name, d, kind, nodes, work)).collect();
    let copies_asked = declared_copies(written, kind, &datasets);
    let copies = if embedded { 1 } else { copies_asked };
    let (default_port, shown, reason) = port(kind);
    let quorum = Consistency::Quorum;
    let pair = written.consistency.as_ref().map(|c| &c.value);
    Store {
        name: name.clone(),
        kind,
        version: written.version.as_ref().map(|v| v.value.0.clone()),
        embedded,
        // What is embedded needs no address of another engine, whatever the base says.
        endpoints: written.endpoint.as_ref().filter(|_| !embedded).map_or_else(Vec::new, |e| e.value.texts()),
        managed: !embedded && written.managed.is_some_and(|m| m.value),
        namespace: namespace(named, embedded, work),
        credentials: credentials(written, work),
        tls: authority(written, work),
        timeout: written.timeout.map(|t| t.value.0),
        port: work.or(written.port.map(|p| p.value.0), || path("port"), default_port, shown, reason),
        nodes,
        weights: weights(named, nodes, work),
        copies,
        copies_asked,
        standby: written.standby.map_or(Standby::Async, |s| s.value),
        slots: slots(written, work),
        consistency: (
            pair.and_then(|p| p.write).map_or(quorum, |c| c.value),
            pair.and_then(|p| p.read).map_or(quorum, |c| c.value),
        ),
        memory_bytes: written.memory.map(|m| m.value.0),
        disk_bytes: written.disk.map(|d| d.value.0),
        replication: written
            .replication
            .iter()
            .flat_map(|r| &r.value)
            .map(|r| (r.name.value.clone(), r.value))
            .collect(),
        datasets,
    }
}

/// The namespace: the system's own name, as engines can write it.
fn namespace(named: &Named<ast::Store>, embedded: bool, work: &mut Resolution<'_>) -> String {
    let own = work.spec.name.as_ref().map_or_else(String::new, |n| n.value.0.replace('-', "_"));
    match &named.value.namespace {
        Some(written) => written.value.0.clone(),
        None if embedded => own,
        None => {
            let noted = || (format!("stores.{}.namespace", named.name.value), own.clone());
            work.origins.by_default(noted, "the system's name");
            own
        }
    }
}

fn credentials(written: &ast::Store, work: &mut Resolution<'_>) -> Option<Credentials> {
    let pair = &written.credentials.as_ref()?.value;
    let password = work.names.secret(pair.password.as_ref()?, work.out)?;
    Some(Credentials { user: pair.user.as_ref()?.value.clone(), password })
}

fn authority(written: &ast::Store, work: &mut Resolution<'_>) -> Option<Authority> {
    let tls = written.tls.as_ref()?;
    match tls.value.as_str() {
        "system" => Some(Authority::System),
        _ => work.names.secret(tls, work.out).map(Authority::Secret),
    }
}

/// Hash slots: never more than the engines know.
fn slots(written: &ast::Store, work: &mut Resolution<'_>) -> u16 {
    let Some(slots) = written.slots else { return SLOTS };
    if slots.value > SLOTS {
        let found = slots.value.to_string();
        work.out.push(out_of_range::at(slots.span, "`slots`", "must be 1 to 16384", Some(&found)));
    }
    slots.value.min(SLOTS)
}

/// Machines that hold data: `nodes`, or what the engine's own words say.
fn nodes(named: &Named<ast::Store>, kind: StoreKind, work: &mut Resolution<'_>) -> u32 {
    let written = &named.value;
    if let Some(nodes) = written.nodes {
        return nodes.value;
    }
    let (nodes, reason) = match kind {
        StoreKind::Kafka => (written.brokers.map_or(1, |b| b.value), "the number of brokers"),
        StoreKind::Mongodb => {
            let members = written.replicas.map_or(1, |r| narrow(r.value).max(1));
            (written.shards.map_or(1, |s| s.value).saturating_mul(members), "shards × replicas")
        }
        _ => (1, "one node"),
    };
    work.origins.by_default(|| (format!("stores.{}.nodes", named.name.value), nodes.to_string()), reason);
    nodes
}

/// A weight for each node; nodes that are not named weigh 1.
fn weights(named: &Named<ast::Store>, nodes: u32, work: &mut Resolution<'_>) -> Vec<u32> {
    let mut all = vec![1; nodes as usize];
    let written = named.value.weights.iter().flat_map(|w| &w.value);
    for weight in written {
        let ordinal = weight.name.value.strip_prefix(named.name.value.as_str()).and_then(|r| r.strip_prefix('-'));
        let ordinal = ordinal.and_then(|o| o.parse::<usize>().ok()).filter(|o| (1..=all.len()).contains(o));
        match ordinal {
            Some(ordinal) => all[ordinal - 1] = narrow(weight.value),
            None => work.out.push(bad_weight::no_node(weight.name.span, &weight.name.value, &named.name.value, nodes)),
        }
    }
    if all.iter().all(|w| *w == 0)
        && let Some(span) = named.value.weights.as_ref().map(|w| w.span)
    {
        work.out.push(bad_weight::all_zero(span, &named.name.value));
        all.fill(1);
    }
    all
}

/// Copies of each datum in the real engine, the first included.
pub(crate) fn declared_copies(written: &ast::Store, kind: StoreKind, datasets: &[Dataset]) -> u32 {
    let replicas = written.replicas.map(|r| narrow(r.value));
    match kind {
        StoreKind::Redis | StoreKind::Postgres => replicas.unwrap_or(0).saturating_add(1),
        StoreKind::Mongodb => replicas.unwrap_or(1).max(1),
        StoreKind::Cassandra => {
            let factors = written.replication.iter().flat_map(|r| &r.value).map(|r| r.value);
            factors.fold(0_u32, u32::saturating_add).max(1)
        }
        StoreKind::Kafka | StoreKind::Elasticsearch => {
            let each = datasets.iter().map(|d| match d.shape {
                DatasetShape::Topic { replicas, .. } => replicas,
                DatasetShape::Index { replicas, .. } => replicas.saturating_add(1),
                _ => 1,
            });
            each.max().unwrap_or(1)
        }
        StoreKind::S3 => 1,
    }
}

fn key_columns(written: Option<&Spanned<KeyColumns>>) -> Vec<Column> {
    let all = written.iter().flat_map(|k| &k.value.0);
    all.map(|c| Column {
        name: c.value.name.clone(),
        kind: c.value.kind.clone(),
        unique: false,
        descending: c.value.descending,
    })
    .collect()
}

fn plain_columns(written: &Field<ColumnsOf>) -> Vec<Column> {
    let all = written.iter().flat_map(|c| &c.value);
    all.map(|c| Column {
        name: c.name.value.clone(),
        kind: c.value.kind.clone(),
        unique: c.value.unique,
        descending: false,
    })
    .collect()
}

fn indexes(written: &Written) -> Vec<(String, Vec<String>)> {
    let all = written.indexes.iter().flat_map(|i| &i.value);
    all.map(|i| (i.name.value.clone(), i.value.iter().map(|c| c.value.0.clone()).collect())).collect()
}

fn require(store: &str, named: &Named<Written>, key: &'static str, section: &str, work: &mut Resolution<'_>) {
    if !named.value.said.contains(&key) {
        let subject = format!("`stores.{store}.{section}.{}`", named.name.value);
        let names = ["stores", store, section, named.name.value.as_str()];
        work.out.push(missing_key::at(named.name.span, &names, key, &subject));
    }
}

fn dataset(store: &str, named: &Named<Written>, kind: StoreKind, nodes: u32, work: &mut Resolution<'_>) -> Dataset {
    let written = &named.value;
    let key = written.key.as_ref().map(|k| &k.value);
    let shape = match kind {
        // A cache has no datasets: its keys have been reported as unknown.
        StoreKind::Redis | StoreKind::S3 => DatasetShape::Bucket {
            versioned: written.versioned.is_some_and(|v| v.value),
            expire: written.expire.map(|e| e.value.0),
        },
        StoreKind::Postgres => {
            require(store, named, "key", "tables", work);
            let columns = match key {
                Some(ast::DatasetKey::Columns(columns)) => Some(columns),
                _ => None,
            };
            let spanned = columns.map(|c| Spanned { value: c.clone(), span: named.name.span });
            let shard = written.shard.as_ref().map(|s| &s.value);
            let by = shard.and_then(|s| s.by.as_ref()).map(|b| b.value.0.clone());
            DatasetShape::PostgresTable {
                key: key_columns(spanned.as_ref()),
                columns: plain_columns(&written.columns),
                shard: by.zip(shard.and_then(|s| s.into).map(|i| i.value)),
                tenant: written.tenant.as_ref().map(|t| t.value.0.clone()),
                indexes: indexes(written),
            }
        }
        StoreKind::Cassandra => {
            require(store, named, "partition", "tables", work);
            DatasetShape::CassandraTable {
                partition: key_columns(written.partition.as_ref()),
                cluster: key_columns(written.cluster.as_ref()),
                columns: plain_columns(&written.columns),
                bucket: match written.bucket.map(|b| b.value) {
                    None => Bucket::None,
                    Some(BucketWidth::Auto(size)) => Bucket::Auto { partition_bytes_max: size.0 },
                    Some(BucketWidth::Fixed(width)) => Bucket::Fixed(width.0),
                },
                ttl: written.ttl.map(|t| t.value.0),
            }
        }
        StoreKind::Mongodb => {
            require(store, named, "key", "collections", work);
            let (fields, hashed) = match key {
                Some(ast::DatasetKey::Fields(key)) => (key.fields.clone(), key.hashed),
                _ => (Vec::new(), false),
            };
            DatasetShape::Collection { key: fields, hashed, indexes: indexes(written) }
        }
        StoreKind::Kafka => topic(store, named, nodes, work),
        StoreKind::Elasticsearch => index(store, named, work),
    };
    Dataset { name: named.name.value.clone(), shape }
}

fn topic(store: &str, named: &Named<Written>, brokers: u32, work: &mut Resolution<'_>) -> DatasetShape {
    let written = &named.value;
    let path = |key: &str| format!("stores.{store}.topics.{}.{key}", named.name.value);
    let replicas = written.replicas.map(|r| narrow(r.value).max(1));
    let few = brokers.min(3);
    let replicas =
        work.or(replicas, || path("replicas"), few, &few.to_string(), "three, or as many as there are brokers");
    let least = if replicas >= 3 { 2 } else { 1 };
    let reason = "one broker may be lost without stopping writes";
    DatasetShape::Topic {
        partitions: work.or(
            written.partitions.map(|p| p.value),
            || path("partitions"),
            12,
            "12",
            "room for 12 consumers",
        ),
        replicas,
        min_insync: work.or(
            written.min_insync.map(|m| m.value),
            || path("min_insync"),
            least,
            &least.to_string(),
            reason,
        ),
        key: match written.key.as_ref().map(|k| &k.value) {
            Some(ast::DatasetKey::Field(field)) => Some(field.0.clone()),
            _ => None,
        },
        retain: written.retain.map(|r| r.value.0),
    }
}

fn index(store: &str, named: &Named<Written>, work: &mut Resolution<'_>) -> DatasetShape {
    let written = &named.value;
    let path = |key: &str| format!("stores.{store}.indexes.{}.{key}", named.name.value);
    let size = written.shard_size.map(|s| s.value.0);
    DatasetShape::Index {
        shard_bytes: work.or(size, || path("shard_size"), 30_000_000_000, "30GB", "Elastic advises 10GB to 50GB"),
        replicas: work.or(
            written.replicas.map(|r| narrow(r.value)),
            || path("replicas"),
            0,
            "0",
            "no copies are asked for",
        ),
        route: written.route.as_ref().map(|r| r.value.0.clone()),
    }
}
