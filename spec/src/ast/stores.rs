//! The `stores:` section. Which keys a store and its datasets have depends on the store's kind.

use crate::ast::choice::choice_decode;
use crate::checks::bad_unit;
use crate::source::{Node, Spanned};
use crate::topology::{Consistency, Standby, StoreKind};
use crate::units::{Bytes, Period, Unit};

use super::{
    Choice, ColumnsOf, Decider, Decode, Decoder, Endpoints, Hash, Identifier, KeyColumns, Name, Named, Port, Shape,
    ShardKey, Variants, VersionName,
};

section! {
    /// One store.
    pub struct Store {
        /// Engine family.
        kind: StoreKind,
        /// Keys that it has in common with others.
        profile: Name,
        /// Engine version.
        version: VersionName,
        /// archgen-store stands in.
        embedded: bool,
        /// A real engine that is already there: one address, or several of its nodes.
        endpoint: Endpoints,
        /// A real engine that `archgen up` starts and stops with the fleet.
        managed: bool,
        /// Database, keyspace or prefix of names under which this system's data are kept.
        namespace: Identifier,
        /// Who connects.
        credentials: Credentials,
        /// Encryption: `system`, or the authority's certificate as `secret:NAME`.
        tls: String,
        /// After which an answer is given up.
        timeout: Period,
        /// Port of each node.
        port: Port,
        /// Nodes.
        nodes: u32,
        /// Share of the slots of a node relative to the others, by the node's name.
        weights: Vec<Named<u64>>,
        /// Memory per node.
        memory: Bytes,
        /// Disk per node.
        disk: Bytes,
        /// Redis: hash slots.
        slots: u16,
        /// Copies beside the first (redis, postgres); members of a replica set (mongodb).
        replicas: u64,
        /// MongoDB: shards.
        shards: u32,
        /// Kafka: brokers.
        brokers: u32,
        /// Cassandra: datacenter to replication factor.
        replication: Vec<Named<u32>>,
        /// Cassandra: consistency of writes and reads.
        consistency: ConsistencyPair,
        /// PostgreSQL: whether a commit waits for a standby.
        standby: Standby,
        /// Tables.
        tables: Vec<Named<Dataset>>,
        /// Collections.
        collections: Vec<Named<Dataset>>,
        /// Topics.
        topics: Vec<Named<Dataset>>,
        /// Indexes.
        indexes: Vec<Named<Dataset>>,
        /// Buckets.
        buckets: Vec<Named<Dataset>>,
    }
    required [kind]
    limited by store_limit, variants store_variants
}

section! {
    /// Who connects to a real engine.
    pub struct Credentials {
        /// User name, or the id of an access key.
        user: String,
        /// Password or secret key, by reference.
        password: String,
    }
    required [user, password]
}

section! {
    /// Consistency of writes and reads.
    pub struct ConsistencyPair {
        /// Writes.
        write: Consistency,
        /// Reads.
        read: Consistency,
    }
    required []
}

section! {
    /// One table, collection, topic, index or bucket.
    pub struct Dataset {
        /// Postgres: primary key. MongoDB: shard key. Kafka: key field.
        key: DatasetKey,
        /// Plain columns.
        columns: ColumnsOf,
        /// Postgres: hash partitioning.
        shard: Shard,
        /// Postgres: the column that says whose a row is.
        tenant: Identifier,
        /// Secondary indexes.
        indexes: Vec<Named<Vec<Spanned<Identifier>>>>,
        /// Cassandra: partition key.
        partition: KeyColumns,
        /// Cassandra: clustering key.
        cluster: KeyColumns,
        /// Cassandra: width of the time bucket.
        bucket: BucketWidth,
        /// Cassandra: time to live.
        ttl: Period,
        /// Kafka: partitions.
        partitions: u32,
        /// Kafka: replicas. Elasticsearch: replicas beside the primary.
        replicas: u64,
        /// Kafka: fewest in-sync replicas.
        min_insync: u32,
        /// Kafka: retention.
        retain: Period,
        /// Elasticsearch: target shard size.
        shard_size: Bytes,
        /// Elasticsearch: routing field.
        route: Identifier,
        /// S3: versioned.
        versioned: bool,
        /// S3: expiry.
        expire: Period,
    }
    required []
    limited by dataset_limit, variants dataset_variants
}

section! {
    /// Hash partitioning.
    pub struct Shard {
        /// Hashed column.
        by: Hash,
        /// Partitions.
        into: u32,
    }
    required [by, into]
}

/// A dataset's `key`, whose form depends on what the dataset is.
#[derive(Debug, Clone)]
pub enum DatasetKey {
    /// Primary key columns.
    Columns(KeyColumns),
    /// Shard key of a collection.
    Fields(ShardKey),
    /// Key field of a topic.
    Field(Identifier),
}

impl Decode for DatasetKey {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        // stores.<store>.<section>.<dataset>.key
        let section = decoder.names().nth(2).map(str::to_owned);
        match section.as_deref() {
            Some("tables") => KeyColumns::decode(node, decoder).map(Self::Columns),
            Some("collections") => ShardKey::decode(node, decoder).map(Self::Fields),
            _ => Identifier::decode(node, decoder).map(Self::Field),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![KeyColumns::shape(), ShardKey::shape(), Identifier::shape()])
    }
}

/// `auto(100MB)` or a fixed width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketWidth {
    /// Derived so that no partition outgrows this.
    Auto(Bytes),
    /// Fixed.
    Fixed(Period),
}

const BUCKET_FORMS: &str = "`auto(100MB)`, `1d`";

impl Decode for BucketWidth {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Some(text) = node.text() else {
            decoder.expected(node, "a bucket width", Some(format!("accepted forms: {BUCKET_FORMS}")));
            return None;
        };
        let auto = text.strip_prefix("auto(").and_then(|t| t.strip_suffix(')'));
        let width = match auto {
            Some(size) => Bytes::parse(size).map(Self::Auto),
            None => Period::parse(text).map(Self::Fixed),
        };
        let width = width.ok().filter(|w| !matches!(w, Self::Fixed(p) if p.0.as_secs() == 0));
        if width.is_none() {
            decoder.report(bad_unit::at(node.span, text, "a bucket width", BUCKET_FORMS));
        }
        width
    }

    fn shape() -> Shape {
        Shape::text("a bucket width", BUCKET_FORMS)
    }
}

impl Choice for StoreKind {
    const WHAT: &'static str = "a store kind";
    fn words() -> &'static [(&'static str, Self)] {
        &Self::ALL
    }
}

impl Choice for Consistency {
    const WHAT: &'static str = "a consistency";
    fn words() -> &'static [(&'static str, Self)] {
        &[("one", Self::One), ("quorum", Self::Quorum), ("all", Self::All)]
    }
}

choice_decode!(StoreKind);
choice_decode!(Consistency);

impl Choice for Standby {
    const WHAT: &'static str = "a kind of standby";
    fn words() -> &'static [(&'static str, Self)] {
        &[("sync", Self::Sync), ("async", Self::Async)]
    }
}

choice_decode!(Standby);

/// The keys of a store of this kind.
pub fn store_keys(kind: StoreKind) -> Vec<&'static str> {
    let mut keys = vec![
        "kind",
        "profile",
        "version",
        "embedded",
        "endpoint",
        "managed",
        "namespace",
        "credentials",
        "tls",
        "timeout",
        "port",
        "nodes",
        "weights",
        "memory",
        "disk",
    ];
    let extra: &[&str] = match kind {
        StoreKind::Redis => &["slots", "replicas"],
        StoreKind::Postgres => &["replicas", "standby", "tables"],
        StoreKind::Cassandra => &["replication", "consistency", "tables"],
        StoreKind::Mongodb => &["shards", "replicas", "collections"],
        StoreKind::Kafka => &["brokers", "topics"],
        StoreKind::Elasticsearch => &["indexes"],
        StoreKind::S3 => &["buckets"],
    };
    keys.extend(extra);
    keys
}

/// The keys of a dataset in a store of this kind.
pub fn dataset_keys(kind: StoreKind) -> &'static [&'static str] {
    match kind {
        StoreKind::Redis => &[],
        StoreKind::Postgres => &["key", "columns", "shard", "tenant", "indexes"],
        StoreKind::Cassandra => &["partition", "cluster", "columns", "bucket", "ttl"],
        StoreKind::Mongodb => &["key", "indexes"],
        StoreKind::Kafka => &["partitions", "replicas", "min_insync", "key", "retain"],
        StoreKind::Elasticsearch => &["shard_size", "replicas", "route"],
        StoreKind::S3 => &["versioned", "expire"],
    }
}

/// Narrows a store's keys to its kind, and remembers the kind for the datasets below.
fn store_limit(node: &Node, decoder: &mut Decoder<'_>) -> Option<(String, Vec<&'static str>)> {
    let word = node.get("kind").and_then(Node::text).unwrap_or("");
    decoder.store_kind = StoreKind::ALL.iter().find(|(w, _)| *w == word).map(|(_, k)| *k);
    decoder.store_kind.map(|kind| (format!("a {} store", kind.name()), store_keys(kind)))
}

fn dataset_limit(_: &Node, decoder: &mut Decoder<'_>) -> Option<(String, Vec<&'static str>)> {
    let kind = decoder.store_kind?;
    Some((format!("a {} {}", kind.name(), kind.dataset_word()), dataset_keys(kind).to_vec()))
}

fn store_variants() -> Variants {
    let cases = StoreKind::ALL.iter().map(|(word, kind)| (*word, store_keys(*kind))).collect();
    Variants { by: Decider::Kind, cases }
}

fn dataset_variants() -> Variants {
    let cases = StoreKind::ALL.iter().map(|(word, kind)| (*word, dataset_keys(*kind).to_vec())).collect();
    Variants { by: Decider::Outer, cases }
}
