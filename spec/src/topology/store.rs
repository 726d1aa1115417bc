//! Stores and the datasets in them.

use std::time::Duration;

use serde::Serialize;

/// Engine family of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// Cache.
    Redis,
    /// Relational rows.
    Postgres,
    /// Wide rows: messages.
    Cassandra,
    /// Documents.
    Mongodb,
    /// Event log.
    Kafka,
    /// Full-text index.
    Elasticsearch,
    /// Objects.
    S3,
}

impl StoreKind {
    /// Every kind with its name in the spec.
    pub const ALL: [(&'static str, Self); 7] = [
        ("redis", Self::Redis),
        ("postgres", Self::Postgres),
        ("cassandra", Self::Cassandra),
        ("mongodb", Self::Mongodb),
        ("kafka", Self::Kafka),
        ("elasticsearch", Self::Elasticsearch),
        ("s3", Self::S3),
    ];

    /// Its name in the spec.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, k)| *k == self).map_or("", |(n, _)| n)
    }

    /// What one of the store's datasets is called: `table`, `collection`, `topic`, …
    pub fn dataset_word(self) -> &'static str {
        match self {
            Self::Redis => "keyspace",
            Self::Postgres | Self::Cassandra => "table",
            Self::Mongodb => "collection",
            Self::Kafka => "topic",
            Self::Elasticsearch => "index",
            Self::S3 => "bucket",
        }
    }

    /// What the store's datasets are called in the spec: `tables`, `collections`, `topics`, …
    pub fn dataset_section(self) -> &'static str {
        match self {
            Self::Redis => "keyspaces",
            Self::Postgres | Self::Cassandra => "tables",
            Self::Mongodb => "collections",
            Self::Kafka => "topics",
            Self::Elasticsearch => "indexes",
            Self::S3 => "buckets",
        }
    }
}

/// Consistency of a Cassandra read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// One replica.
    One,
    /// A majority of replicas.
    Quorum,
    /// Every replica.
    All,
}

/// Whether a commit of PostgreSQL waits for a standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standby {
    /// For one of them: the loss of the primary loses nothing.
    Sync,
    /// For none: what the primary had not yet sent is lost with it.
    Async,
}

/// One store.
#[derive(Debug, Clone, Serialize)]
pub struct Store {
    /// Name.
    pub name: String,
    /// Engine family.
    pub kind: StoreKind,
    /// Declared engine version, where given.
    pub version: Option<String>,
    /// Whether archgen-store stands in for the engine.
    pub embedded: bool,
    /// Addresses of a real engine that is already there, each `host:port`; empty where none is named.
    pub endpoints: Vec<String>,
    /// Whether `archgen up` starts and stops the real engine.
    pub managed: bool,
    /// Database, keyspace or prefix of names under which this system's data are kept in a real engine.
    pub namespace: String,
    /// Who connects to a real engine.
    pub credentials: Option<Credentials>,
    /// Whether connections to a real engine are encrypted, and whom they trust.
    pub tls: Option<Authority>,
    /// After which callers give an answer up, where declared.
    pub timeout: Option<Duration>,
    /// Port of each node on its own address.
    pub port: u16,
    /// Nodes (brokers, shards × replicas, …): the machines that hold data.
    pub nodes: u32,
    /// Share of the slots of each node relative to the others, ordinal order; 0 empties a node.
    pub weights: Vec<u32>,
    /// Copies of each datum, the first included; an embedded store keeps one.
    pub copies: u32,
    /// Copies of each datum that the spec asks for, also where the store is embedded: a simulation keeps as many of them as
    /// there are nodes.
    pub copies_asked: u32,
    /// Whether a commit waits for a standby (PostgreSQL).
    pub standby: Standby,
    /// Hash slots (16,384) placed over the nodes.
    pub slots: u16,
    /// Consistency of writes and reads (Cassandra).
    pub consistency: (Consistency, Consistency),
    /// Memory per node, bytes, where declared.
    pub memory_bytes: Option<u64>,
    /// Disk per node, bytes, where declared.
    pub disk_bytes: Option<u64>,
    /// Datacenter to replication factor (Cassandra).
    pub replication: Vec<(String, u32)>,
    /// Tables, collections, topics, indexes or buckets in declared order.
    pub datasets: Vec<Dataset>,
}

/// Who connects. Secrets stay references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// User name, or the id of an access key.
    pub user: String,
    /// Name of the secret that holds the password or secret key.
    pub password: String,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Authority {
    /// Those that the web trusts.
    System,
    /// The one in the secret of this name (PEM).
    Secret(String),
}

impl Store {
    /// Whether a real engine that runs, or is started by `archgen up`, keeps the data.
    pub fn is_real(&self) -> bool {
        !self.embedded && (self.managed || !self.endpoints.is_empty())
    }
}

/// One dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Dataset {
    /// Name, unique in its store.
    pub name: String,
    /// Engine-specific shape.
    pub shape: DatasetShape,
}

/// A column: name, engine type as written, and whether it is unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type as written in the spec (`uuid`, `bigint`, `timestamptz`, …).
    pub kind: String,
    /// Unique across the table.
    pub unique: bool,
    /// Sorted descending (clustering columns).
    pub descending: bool,
}

/// Width of a time bucket in a Cassandra partition key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Bucket {
    /// No bucket column.
    None,
    /// Width derived so that no partition outgrows this many bytes under the declared load.
    Auto {
        /// Largest partition, bytes.
        partition_bytes_max: u64,
    },
    /// Fixed width.
    Fixed(Duration),
}

/// Engine-specific shape of a dataset.
#[derive(Debug, Clone, Serialize)]
pub enum DatasetShape {
    /// PostgreSQL table.
    PostgresTable {
        /// Primary key columns.
        key: Vec<Column>,
        /// Other columns.
        columns: Vec<Column>,
        /// Column hashed for partitioning and the number of hash partitions.
        shard: Option<(String, u32)>,
        /// Column that says whose a row is, where tenants are walled off from each other.
        tenant: Option<String>,
        /// Secondary indexes: name to columns.
        indexes: Vec<(String, Vec<String>)>,
    },
    /// Cassandra table.
    CassandraTable {
        /// Partition key.
        partition: Vec<Column>,
        /// Clustering key.
        cluster: Vec<Column>,
        /// Other columns.
        columns: Vec<Column>,
        /// Time bucket.
        bucket: Bucket,
        /// Time to live.
        ttl: Option<Duration>,
    },
    /// MongoDB collection.
    Collection {
        /// Shard key fields.
        key: Vec<String>,
        /// Whether the shard key is hashed.
        hashed: bool,
        /// Secondary indexes: name to fields.
        indexes: Vec<(String, Vec<String>)>,
    },
    /// Kafka topic.
    Topic {
        /// Partitions.
        partitions: u32,
        /// Replicas.
        replicas: u32,
        /// Fewest in-sync replicas for an acknowledged write.
        min_insync: u32,
        /// Key field.
        key: Option<String>,
        /// Retention; `None` keeps for ever.
        retain: Option<Duration>,
    },
    /// Elasticsearch index.
    Index {
        /// Target shard size, bytes.
        shard_bytes: u64,
        /// Replicas beside the primary.
        replicas: u32,
        /// Routing field.
        route: Option<String>,
    },
    /// S3 bucket.
    Bucket {
        /// Versioned objects.
        versioned: bool,
        /// Expiry.
        expire: Option<Duration>,
    },
}
