//! [`Target`]: everything that is decided about one real engine before the first byte is sent to it.

use std::fmt;

use archgen_env::net::Address;

/// Engine families, as the spec names the kinds of stores and of registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// Accounts.
    Postgres,
    /// Messages.
    Cassandra,
    /// Documents.
    Mongodb,
    /// Cache.
    Redis,
    /// Events.
    Kafka,
    /// Index.
    Elasticsearch,
    /// Blobs.
    S3,
    /// The registry.
    Consul,
}

impl Engine {
    /// Every engine: its name in the spec, which is also its cargo feature, and the name of the product.
    const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::Postgres, "postgres", "PostgreSQL"),
        (Self::Cassandra, "cassandra", "Cassandra"),
        (Self::Mongodb, "mongodb", "MongoDB"),
        (Self::Redis, "redis", "Redis"),
        (Self::Kafka, "kafka", "Kafka"),
        (Self::Elasticsearch, "elasticsearch", "Elasticsearch"),
        (Self::S3, "s3", "S3"),
        (Self::Consul, "consul", "Consul"),
    ];

    /// The engine that the spec names so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n, _)| *n == name).map(|(engine, ..)| *engine)
    }

    /// Its name in the spec, and its cargo feature.
    pub fn feature(self) -> &'static str {
        Self::ALL.iter().find(|(engine, ..)| *engine == self).map_or("", |(_, name, _)| name)
    }

    /// The product's name.
    pub fn product(self) -> &'static str {
        Self::ALL.iter().find(|(engine, ..)| *engine == self).map_or("", |(.., product)| product)
    }
}

/// A secret's text. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the driver that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name, or the id of an access key.
    pub user: String,
    /// Password or secret key.
    pub password: Secret,
}

/// Whether connections are encrypted, and whom they trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Plain.
    Off,
    /// Encrypted; the authorities that the web trusts.
    System,
    /// Encrypted; this authority (PEM).
    Authority(String),
}

/// A topic, index or bucket. Tables stand in the [`Schema`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name.
    pub name: String,
    /// Partitions (topics), primary shards (indexes); else 1.
    pub partitions: u32,
    /// Copies of each datum, the first included.
    pub copies: u32,
    /// Fewest copies for an acknowledged write.
    pub copies_min: u32,
    /// How long data are kept, milliseconds; `None` for ever.
    pub keep_ms: Option<u64>,
    /// Whether old versions of an object are kept.
    pub versioned: bool,
    /// Field that keeps related documents together.
    pub route: Option<String>,
}

/// A schema as the generator wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The statements; empty where the engine has none.
    pub text: String,
}

impl Schema {
    /// A short name of exactly this text: FNV-1a, 64 bits, hexadecimal.
    pub fn fingerprint(&self) -> String {
        let hash = self
            .text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        format!("{hash:016x}")
    }
}

/// Everything that is decided about one real engine.
#[derive(Debug, Clone)]
pub struct Target {
    /// The store's name in the spec, for messages.
    pub store: String,
    /// Engine family.
    pub engine: Engine,
    /// After how long an answer is given up, where that is less than the driver's own patience.
    pub call_ms_max: Option<u64>,
    /// How often a read is tried again; unsaid, as [`crate::Guard`] thinks fit.
    pub retries: Option<u32>,
    /// Where its nodes listen. Never empty.
    pub endpoints: Vec<Address>,
    /// Database, keyspace, datacenter or prefix of names.
    pub namespace: String,
    /// Who connects; `None` where the server asks nobody.
    pub credentials: Option<Credentials>,
    /// Encryption.
    pub tls: Tls,
    /// The generated schema.
    pub schema: Schema,
    /// Topics, indexes, buckets.
    pub datasets: Vec<Dataset>,
    /// Ownership shards of channels.
    pub shards: u16,
    /// Consistency of writes and reads: `one`, `quorum` or `all` (Cassandra).
    pub consistency: (&'static str, &'static str),
}

impl Target {
    /// The addresses in one line, for messages.
    pub fn place(&self) -> String {
        self.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The dataset of this name.
    pub fn dataset(&self, name: &str) -> Option<&Dataset> {
        self.datasets.iter().find(|d| d.name == name)
    }
}
