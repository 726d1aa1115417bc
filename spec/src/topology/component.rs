//! Gateway, realtime layer, registry, services, policies and tests.

use std::time::Duration;

use serde::Serialize;

use super::{DatasetRef, Invariant, Need, ServiceId, StoreId};

/// A rate with an allowed burst above it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RateLimit {
    /// Sustained rate, events per second.
    pub per_second: f64,
    /// Events allowed at once above the sustained rate.
    pub burst: u32,
}

/// How a gateway spreads requests over a service's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Balance {
    /// Each instance in turn.
    RoundRobin,
    /// The instance with the fewest requests in flight.
    LeastConn,
    /// Consistent hash of the caller.
    ConsistentHash,
}

/// The API gateway (nginx in production, archgen's own gateway host when embedded).
#[derive(Debug, Clone, Serialize)]
pub struct Gateway {
    /// nginx version, `major.minor`.
    pub version: (u32, u32),
    /// Whether archgen's own gateway host stands in for nginx.
    pub embedded: bool,
    /// Whether `archgen up` starts and stops nginx.
    pub managed: bool,
    /// Public host name.
    pub host: String,
    /// Port on which clients connect.
    pub port: u16,
    /// Name of the TLS secret; `None` serves plain HTTP.
    pub tls: Option<String>,
    /// Instances.
    pub replicas: u32,
    /// Per client address.
    pub limit_per_ip: Option<RateLimit>,
    /// Per bearer token.
    pub limit_per_token: Option<RateLimit>,
    /// Open connections per client address.
    pub connections_per_ip_max: Option<u32>,
    /// Who checks credentials, and for how long an answer is trusted.
    pub auth: Option<GatewayAuth>,
    /// Which pages of other origins may use the API; `None` none.
    pub cors: Option<Cors>,
    /// Port of an exporter of nginx's counters for Prometheus, beside each instance; `None` there is none.
    pub exporter_port: Option<u16>,
    /// Whether members are discovered from the registry (else the spec's static list).
    pub discovery: bool,
    /// Routes, longest prefix first.
    pub routes: Vec<Route>,
}

/// Credential checks at the gateway.
#[derive(Debug, Clone, Serialize)]
pub struct GatewayAuth {
    /// The service that issues and introspects tokens.
    pub by: ServiceId,
    /// How long an accepted credential is cached.
    pub cache: Duration,
    /// How long a refused credential is cached.
    pub cache_denied: Duration,
}

/// Which pages of other origins may use the API.
#[derive(Debug, Clone, Serialize)]
pub struct Cors {
    /// Whether a page of any origin may.
    pub any: bool,
    /// Those that may, as browsers send them.
    pub origins: Vec<String>,
    /// Methods that they may use.
    pub methods: Vec<String>,
    /// Headers that they may send.
    pub headers: Vec<String>,
    /// Whether the browser may send cookies with a request.
    pub credentials: bool,
    /// How long a browser may remember the permission.
    pub max_age: Duration,
}

/// One route of the gateway.
#[derive(Debug, Clone, Serialize)]
pub struct Route {
    /// Path prefix, for example `/api/v1/users`. It matches itself and everything below it.
    pub prefix: String,
    /// The service that answers.
    pub to: ServiceId,
    /// Whether a valid access token is required.
    pub authenticated: bool,
    /// Spread over instances.
    pub balance: Balance,
    /// How long a GET answer is cached per subject; `None` never.
    pub micro_cache: Option<Duration>,
    /// Largest request body, bytes.
    pub body_bytes_max: u64,
    /// Deadline of the whole exchange.
    pub timeout: Duration,
    /// Further tries of an idempotent request at other instances.
    pub retries: u32,
    /// Limit of this route per client address, on top of the gateway's.
    pub limit: Option<RateLimit>,
}

/// The Socket.IO layer. Clients connect to it directly.
#[derive(Debug, Clone, Serialize)]
pub struct Realtime {
    /// Port on which clients connect.
    pub port: u16,
    /// Instances.
    pub replicas: u32,
    /// What it calls.
    pub needs: Vec<Need>,
    /// Capacity figure: sockets per instance.
    pub connections_per_replica_max: u64,
    /// Engine.IO ping interval.
    pub ping_interval: Duration,
    /// Engine.IO ping timeout.
    pub ping_timeout: Duration,
}

/// The service registry (Consul in production, archgen's registry host when embedded).
#[derive(Debug, Clone, Serialize)]
pub struct Registry {
    /// Consul datacenter.
    pub datacenter: String,
    /// Server instances.
    pub servers: u32,
    /// Whether access is denied unless an intention allows it.
    pub default_deny: bool,
    /// Whether archgen's own registry host stands in for Consul.
    pub embedded: bool,
    /// Addresses of a Consul that is already there, each `host:port`; empty where none is named.
    pub endpoints: Vec<String>,
    /// Whether `archgen up` starts and stops Consul.
    pub managed: bool,
    /// Name of the secret that holds the access token of a real Consul.
    pub token: Option<String>,
    /// HTTP API port.
    pub port: u16,
}

impl Registry {
    /// Whether a real Consul that runs, or is started by `archgen up`, is the registry.
    pub fn is_real(&self) -> bool {
        !self.embedded && (self.managed || !self.endpoints.is_empty())
    }
}

/// Which program a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ServiceKind {
    /// Channels, messages, read state.
    Messaging,
    /// Accounts, sessions, OAuth 2.0.
    User,
    /// File metadata and transfers.
    File,
    /// Inbox, push, email.
    Notification,
    /// Full-text search.
    Search,
    /// A program of the user's own.
    Process {
        /// Program and arguments; `${port}` is replaced by the instance's port.
        command: Vec<String>,
        /// Extra environment, name to value (secrets stay references: `secret:name`).
        environment: Vec<(String, String)>,
    },
}

/// Health check of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// HTTP path that answers 200 when healthy.
    pub path: String,
    /// Time between checks.
    pub every: Duration,
}

/// One kind of question that a service asks of a table or collection.
#[derive(Debug, Clone, Serialize)]
pub struct Query {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub on: DatasetRef,
    /// Columns whose values are given.
    pub by: Vec<String>,
    /// How often, times per second, where declared.
    pub per_second: Option<f64>,
}

/// One service.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// Name, unique among services, stores, `gateway`, `realtime` and `registry`.
    pub name: String,
    /// Program it runs.
    pub kind: ServiceKind,
    /// Port of each instance on its own address.
    pub port: u16,
    /// Instances.
    pub replicas: u32,
    /// What it calls or reads.
    pub needs: Vec<Need>,
    /// Topics it writes.
    pub publishes: Vec<DatasetRef>,
    /// Topics it reads.
    pub consumes: Vec<DatasetRef>,
    /// What it asks of tables and collections.
    pub queries: Vec<Query>,
    /// Within which it answers, where declared.
    pub timeout: Option<Duration>,
    /// Further tries of each call that it makes, where declared.
    pub retries: Option<u32>,
    /// Health check.
    pub health: Health,
    /// Grace between SIGTERM and SIGKILL.
    pub stop_within: Duration,
    /// Restart backoff, least and most.
    pub restart: (Duration, Duration),
    /// Messaging: how many ownership shards the channels are hashed into.
    pub shards: u16,
    /// Messaging: how long an owner may serve a shard without renewing its lease.
    pub lease: Duration,
    /// User: Argon2id memory per password hash, bytes.
    pub password_memory_bytes: u64,
    /// Notification: push transports by name (`fcm`, `webpush`).
    pub push: Vec<String>,
    /// Notification: email transport (`smtp`).
    pub email: Option<String>,
}

/// A rule over the resolved topology.
#[derive(Debug, Clone, Serialize)]
pub struct Policy {
    /// Its id, printed when it is broken.
    pub id: String,
    /// What the rule is asked of one by one, by its name in expressions; the whole system where nothing is said.
    pub every: Option<&'static str>,
    /// The rule as written.
    pub check: String,
    /// Whether breaking it is an error (else a warning).
    pub error: bool,
}

/// A named test of the system.
#[derive(Debug, Clone, Serialize)]
pub struct Test {
    /// Its id.
    pub id: String,
    /// What it does.
    pub trial: Trial,
}

/// What a test does.
#[derive(Debug, Clone, Serialize)]
pub enum Trial {
    /// Asserts something of the resolved system; `archgen check` judges it.
    Assertion {
        /// What is asserted, as an expression.
        check: String,
        /// What it is asked of one by one, by its name in expressions.
        every: Option<&'static str>,
        /// Times the declared load.
        load: f64,
    },
    /// Plays a loss in the simulator; `archgen sim --tests` judges it.
    Scenario {
        /// What is lost.
        lose: Loss,
        /// For how long.
        lasts: Duration,
        /// What is expected.
        expect: Vec<Expectation>,
    },
}

/// What is lost in a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Loss {
    /// Power in a whole zone, by its name.
    Zone(String),
    /// Power of one instance of a component, by the component's name.
    One(String),
}

/// What is expected of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Expectation {
    /// The invariant holds.
    Keeps(Invariant),
    /// Nobody waits longer for a send to be acknowledged.
    SendsRefusedAtMost(Duration),
}

impl Service {
    /// The stores this service touches, each once, in declared order.
    pub fn stores(&self) -> Vec<StoreId> {
        let mut seen = Vec::new();
        let needs = self.needs.iter().filter_map(|n| match n {
            Need::Store(id) => Some(*id),
            Need::Dataset(d) => Some(d.store),
            Need::Service(_) => None,
        });
        for id in needs.chain(self.publishes.iter().chain(&self.consumes).map(|d| d.store)) {
            if !seen.contains(&id) {
                seen.push(id);
            }
        }
        seen
    }
}
