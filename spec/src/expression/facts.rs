//! The facts: what an expression may ask of a system. One table for the types, the values and the reference page.

use crate::capacity::{self, Use, left_of};
use crate::topology::{
    Balance, Consistency, DatasetShape, Need, Route, Service, ServiceKind, Store, StoreKind, Topology,
};

use super::Value;

/// What facts are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A service.
    Service,
    /// A store.
    Store,
    /// A topic of a log.
    Topic,
    /// A route of the gateway.
    Route,
    /// A failure domain.
    Zone,
    /// Something limited and the share of it that the declared load takes.
    Capacity,
    /// The gateway.
    Gateway,
    /// The realtime layer.
    Realtime,
    /// The registry.
    Registry,
    /// The declared load.
    Load,
}

impl Subject {
    /// Every subject, those that there are many of first.
    pub const ALL: [Self; 10] = [
        Self::Service,
        Self::Store,
        Self::Topic,
        Self::Route,
        Self::Zone,
        Self::Capacity,
        Self::Gateway,
        Self::Realtime,
        Self::Registry,
        Self::Load,
    ];

    /// One of them in an expression.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Store => "store",
            Self::Topic => "topic",
            Self::Route => "route",
            Self::Zone => "zone",
            Self::Capacity => "capacity",
            Self::Gateway => "gateway",
            Self::Realtime => "realtime",
            Self::Registry => "registry",
            Self::Load => "load",
        }
    }

    /// All of them in an expression; the name itself where there is only one.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Store => "stores",
            Self::Topic => "topics",
            Self::Route => "routes",
            Self::Zone => "zones",
            Self::Capacity => "capacities",
            one => one.name(),
        }
    }

    /// Whether there can be several.
    pub fn many(self) -> bool {
        self.name() != self.plural()
    }
}

/// The type of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Double,
    /// Text.
    Text,
    /// A list of text.
    Texts,
}

impl FactKind {
    /// As CEL calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::Text => "string",
            Self::Texts => "list of string",
        }
    }
}

/// One fact.
pub struct Fact {
    /// What it is about.
    pub of: Subject,
    /// Its name after the dot.
    pub name: &'static str,
    /// Its type.
    pub kind: FactKind,
    /// What it says.
    pub what: &'static str,
    pub(super) value: for<'a> fn(&World<'a>, usize) -> Value<'a>,
}

/// A system as expressions see it.
#[derive(Debug, Default)]
pub struct World<'a> {
    services: &'a [Service],
    stores: &'a [Store],
    routes: &'a [Route],
    zones: &'a [String],
    topology: Option<&'a Topology>,
    /// Copies of each datum as declared for the real engine, by store.
    copies: Vec<u32>,
    /// Store and dataset of each topic.
    topics: Vec<(usize, usize)>,
    uses: Vec<Use>,
}

impl<'a> World<'a> {
    /// The facts of a topology. `copies` are those that each store declares for its real engine.
    pub fn new(topology: &'a Topology, copies: Vec<u32>) -> Self {
        let topics = topology.stores.iter().enumerate().flat_map(|(store, model)| {
            let topics = model.datasets.iter().enumerate();
            topics.filter(|(_, d)| matches!(d.shape, DatasetShape::Topic { .. })).map(move |(index, _)| (store, index))
        });
        Self {
            services: &topology.services,
            stores: &topology.stores,
            routes: topology.gateway.as_ref().map_or(&[], |g| g.routes.as_slice()),
            zones: &topology.zones,
            topics: topics.collect(),
            uses: capacity::uses(topology),
            topology: Some(topology),
            copies,
        }
    }

    pub(super) fn nothing() -> Self {
        Self::default()
    }

    /// How many there are of a subject.
    pub fn count(&self, of: Subject) -> usize {
        match of {
            Subject::Service => self.services.len(),
            Subject::Store => self.stores.len(),
            Subject::Topic => self.topics.len(),
            Subject::Route => self.routes.len(),
            Subject::Zone => self.zones.len(),
            Subject::Capacity => self.uses.len(),
            Subject::Gateway | Subject::Realtime | Subject::Registry | Subject::Load => 1,
        }
    }

    /// What one of them is called in a message.
    pub fn title(&self, of: Subject, index: usize) -> String {
        match of {
            Subject::Service => self.services.get(index).map_or_else(String::new, |s| s.name.clone()),
            Subject::Store => self.stores.get(index).map_or_else(String::new, |s| s.name.clone()),
            Subject::Topic => {
                self.topic(index).map_or_else(String::new, |(store, t)| format!("{}.{}", store.name, t.name))
            }
            Subject::Route => self.routes.get(index).map_or_else(String::new, |r| r.prefix.clone()),
            Subject::Zone => self.zones.get(index).cloned().unwrap_or_default(),
            Subject::Capacity => {
                format!("{} of {}", self.used(index).map_or("", |u| u.what.name()), self.bearer(index))
            }
            one => one.name().to_owned(),
        }
    }

    /// The store and index of a topic.
    pub fn topic_place(&self, index: usize) -> Option<(usize, usize)> {
        self.topics.get(index).copied()
    }

    /// A figure of the capacity plan.
    pub fn used(&self, index: usize) -> Option<&Use> {
        self.uses.get(index)
    }

    fn bearer(&self, index: usize) -> &'a str {
        match (self.topology, self.used(index)) {
            (Some(topology), Some(used)) => topology.component_name(used.of),
            _ => "",
        }
    }

    fn topic(&self, index: usize) -> Option<(&'a Store, &'a crate::topology::Dataset)> {
        let (store, dataset) = self.topics.get(index)?;
        let store = self.stores.get(*store)?;
        Some((store, store.datasets.get(*dataset)?))
    }

    fn service(&self, index: usize) -> &'a Service {
        &self.services[index]
    }

    fn store(&self, index: usize) -> &'a Store {
        &self.stores[index]
    }

    fn route(&self, index: usize) -> &'a Route {
        &self.routes[index]
    }

    /// Copies that are left when the zone with the most of them is lost; copies take zones in turn.
    fn copies_left(&self, copies: u32) -> u32 {
        left_of(copies, self.zones.len())
    }

    /// What is left of instances that take zones in turn; one zone alone takes them all.
    fn left(&self, instances: u32) -> Value<'a> {
        int(left_of(instances, self.zones.len()))
    }

    fn need(&self, need: &Need) -> &'a str {
        self.topology.map_or("", |topology| topology.need_component(*need))
    }

    fn dataset_name(&self, d: &crate::topology::DatasetRef) -> String {
        let store = self.store(d.store.0);
        format!("{}.{}", store.name, store.datasets.get(d.dataset).map_or("", |d| d.name.as_str()))
    }
}

/// The facts of one subject.
pub(super) fn facts_of(of: Subject) -> impl Iterator<Item = &'static Fact> {
    FACTS.iter().filter(move |f| f.of == of)
}

fn int(value: impl Into<i64>) -> Value<'static> {
    Value::Int(value.into())
}

fn long(value: u64) -> Value<'static> {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn seconds(value: std::time::Duration) -> Value<'static> {
    Value::Double(value.as_secs_f64())
}

fn kind_of(kind: &ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Messaging => "messaging",
        ServiceKind::User => "user",
        ServiceKind::File => "file",
        ServiceKind::Notification => "notification",
        ServiceKind::Search => "search",
        ServiceKind::Process { .. } => "process",
    }
}

/// Copies that must answer for the declared consistency.
fn needed(store: &Store, copies: u32) -> u32 {
    let asked = |c: Consistency| match c {
        Consistency::One => 1,
        Consistency::Quorum => copies / 2 + 1,
        Consistency::All => copies,
    };
    match store.kind {
        StoreKind::Cassandra => asked(store.consistency.0).max(asked(store.consistency.1)),
        StoreKind::Mongodb => copies / 2 + 1,
        _ => 1,
    }
}

fn balance_of(balance: Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "round_robin",
        Balance::LeastConn => "least_conn",
        Balance::ConsistentHash => "consistent_hash",
    }
}

fn topic_shape<'a, T>(world: &World<'a>, index: usize, read: impl Fn(&'a DatasetShape) -> T) -> Option<T> {
    world.topic(index).map(|(_, dataset)| read(&dataset.shape))
}

macro_rules! fact {
    ($of:ident . $name:ident : $kind:ident, $what:literal, $value:expr) => {
        Fact { of: Subject::$of, name: stringify!($name), kind: FactKind::$kind, what: $what, value: $value }
    };
}

/// Every fact.
pub static FACTS: &[Fact] = &[
    fact!(Service.name: Text, "Its name.", |w, i| Value::text(&w.service(i).name)),
    fact!(Service.kind: Text, "The program it runs.", |w, i| Value::text(kind_of(&w.service(i).kind))),
    fact!(Service.port: Int, "The port of each instance.", |w, i| int(w.service(i).port)),
    fact!(Service.replicas: Int, "Its instances.", |w, i| int(w.service(i).replicas)),
    fact!(Service.replicas_after_zone_loss: Int, "Instances left when the zone with the most of them is lost.", |w, i| w.left(w.service(i).replicas)),
    fact!(Service.needs: Texts, "The services and stores that it needs, by name.", |w, i| {
        Value::texts(w.service(i).needs.iter().map(|n| w.need(n)))
    }),
    fact!(Service.publishes: Texts, "The topics that it writes, as `store.topic`.", |w, i| {
        Value::List(w.service(i).publishes.iter().map(|d| Value::Text(w.dataset_name(d).into())).collect())
    }),
    fact!(Service.consumes: Texts, "The topics that it reads, as `store.topic`.", |w, i| {
        Value::List(w.service(i).consumes.iter().map(|d| Value::Text(w.dataset_name(d).into())).collect())
    }),
    fact!(Service.stop_within_seconds: Double, "Grace at shutdown, seconds.", |w, i| seconds(w.service(i).stop_within)),
    fact!(Service.health_every_seconds: Double, "Time between health checks, seconds.", |w, i| seconds(w.service(i).health.every)),
    fact!(Store.name: Text, "Its name.", |w, i| Value::text(&w.store(i).name)),
    fact!(Store.kind: Text, "Its engine: `redis`, `postgres`, `cassandra`, `mongodb`, `kafka`, `elasticsearch` or `s3`.", |w, i| Value::text(w.store(i).kind.name())),
    fact!(Store.version: Text, "The engine's version, empty where none is pinned.", |w, i| Value::text(w.store(i).version.as_deref().unwrap_or(""))),
    fact!(Store.embedded: Bool, "Whether archgen's own store stands in for the engine.", |w, i| Value::Bool(w.store(i).embedded)),
    fact!(Store.nodes: Int, "Machines that hold data.", |w, i| int(w.store(i).nodes)),
    fact!(Store.nodes_after_zone_loss: Int, "Machines left when the zone with the most of them is lost.", |w, i| w.left(w.store(i).nodes)),
    fact!(Store.replicas: Int, "Copies of each datum, the first included, as declared for the real engine. S3 keeps its own copies and has 1 here.", |w, i| int(w.copies[i])),
    fact!(Store.replicas_after_zone_loss: Int, "Copies left when the zone with the most of them is lost.", |w, i| int(w.copies_left(w.copies[i]))),
    fact!(Store.survives_zone_loss: Bool, "Whether the copies left then are enough for the declared consistency. True of S3.", |w, i| {
        let (store, copies) = (w.store(i), w.copies[i]);
        Value::Bool(store.kind == StoreKind::S3 || w.copies_left(copies) >= needed(store, copies))
    }),
    fact!(Store.datasets: Texts, "Its tables, collections, topics, indexes or buckets, by name.", |w, i| {
        Value::texts(w.store(i).datasets.iter().map(|d| d.name.as_str()))
    }),
    fact!(Store.encrypted: Bool, "Whether connections to it are encrypted.", |w, i| Value::Bool(w.store(i).tls.is_some())),
    fact!(Store.memory_bytes: Int, "Memory of each node, bytes; 0 where none is declared.", |w, i| long(w.store(i).memory_bytes.unwrap_or(0))),
    fact!(Store.disk_bytes: Int, "Disk of each node, bytes; 0 where none is declared.", |w, i| long(w.store(i).disk_bytes.unwrap_or(0))),
    fact!(Topic.name: Text, "Its name.", |w, i| Value::text(w.topic(i).map_or("", |(_, t)| &t.name))),
    fact!(Topic.store: Text, "The log that holds it.", |w, i| Value::text(w.topic(i).map_or("", |(s, _)| &s.name))),
    fact!(Topic.partitions: Int, "Its partitions.", |w, i| {
        int(topic_shape(w, i, |s| if let DatasetShape::Topic { partitions, .. } = s { *partitions } else { 0 }).unwrap_or(0))
    }),
    fact!(Topic.replicas: Int, "Its copies, the first included.", |w, i| {
        int(topic_shape(w, i, |s| if let DatasetShape::Topic { replicas, .. } = s { *replicas } else { 0 }).unwrap_or(0))
    }),
    fact!(Topic.min_insync: Int, "Copies that must have a record before it is acknowledged.", |w, i| {
        int(topic_shape(w, i, |s| if let DatasetShape::Topic { min_insync, .. } = s { *min_insync } else { 0 }).unwrap_or(0))
    }),
    fact!(Topic.key: Text, "The field that decides the partition, empty where there is none.", |w, i| {
        Value::text(topic_shape(w, i, |s| if let DatasetShape::Topic { key: Some(key), .. } = s { key.as_str() } else { "" }).unwrap_or(""))
    }),
    fact!(Topic.retain_days: Double, "How long records are kept, days; without end, it is greater than every number.", |w, i| {
        let retain = topic_shape(w, i, |s| if let DatasetShape::Topic { retain, .. } = s { *retain } else { None }).flatten();
        Value::Double(retain.map_or(f64::INFINITY, |r| r.as_secs_f64() / 86_400.0))
    }),
    fact!(Route.prefix: Text, "Its path prefix.", |w, i| Value::text(&w.route(i).prefix)),
    fact!(Route.to: Text, "The service that answers.", |w, i| Value::text(&w.service(w.route(i).to.0).name)),
    fact!(Route.authenticated: Bool, "Whether a valid access token is needed.", |w, i| Value::Bool(w.route(i).authenticated)),
    fact!(Route.limited: Bool, "Whether it has a limit of its own.", |w, i| Value::Bool(w.route(i).limit.is_some())),
    fact!(Route.cached: Bool, "Whether answers are cached.", |w, i| Value::Bool(w.route(i).micro_cache.is_some())),
    fact!(Route.balance: Text, "How requests are spread.", |w, i| Value::text(balance_of(w.route(i).balance))),
    fact!(Route.timeout_seconds: Double, "Deadline of the whole exchange, seconds.", |w, i| seconds(w.route(i).timeout)),
    fact!(Route.body_bytes_max: Int, "Largest request body, bytes.", |w, i| long(w.route(i).body_bytes_max)),
    fact!(Zone.name: Text, "Its name.", |w, i| Value::text(&w.zones[i])),
    fact!(Capacity.of: Text, "The component that it is a limit of.", |w, i| Value::text(w.bearer(i))),
    fact!(Capacity.what: Text, "What is limited: `disk` or `connections`.", |w, i| Value::text(w.used(i).map_or("", |u| u.what.name()))),
    fact!(Capacity.used: Double, "The share that the declared load takes; 1.0 is all of it.", |w, i| Value::Double(w.used(i).map_or(0.0, |u| u.used))),
    fact!(Capacity.used_after_zone_loss: Double, "The same while the zone with the most instances is lost.", |w, i| {
        Value::Double(w.used(i).map_or(0.0, |u| u.used_one_zone_down.unwrap_or(u.used)))
    }),
    fact!(Gateway.declared: Bool, "Whether there is a gateway. Without one its other facts are false, zero or empty.", |w, _| Value::Bool(gateway(w).is_some())),
    fact!(Gateway.embedded: Bool, "Whether archgen's own gateway stands in for nginx.", |w, _| Value::Bool(gateway(w).is_some_and(|g| g.embedded))),
    fact!(Gateway.encrypted: Bool, "Whether it speaks TLS.", |w, _| Value::Bool(gateway(w).is_some_and(|g| g.tls.is_some()))),
    fact!(Gateway.host: Text, "The name under which clients reach it.", |w, _| Value::text(gateway(w).map_or("", |g| &g.host))),
    fact!(Gateway.port: Int, "The port for clients.", |w, _| int(gateway(w).map_or(0, |g| g.port))),
    fact!(Gateway.replicas: Int, "Its instances.", |w, _| int(gateway(w).map_or(0, |g| g.replicas))),
    fact!(Gateway.replicas_after_zone_loss: Int, "Instances left when the zone with the most of them is lost.", |w, _| w.left(gateway(w).map_or(0, |g| g.replicas))),
    fact!(Gateway.authenticates: Bool, "Whether a service checks credentials for it.", |w, _| Value::Bool(gateway(w).is_some_and(|g| g.auth.is_some()))),
    fact!(Gateway.limited: Bool, "Whether it limits what one address may ask.", |w, _| Value::Bool(gateway(w).is_some_and(|g| g.limit_per_ip.is_some()))),
    fact!(Realtime.declared: Bool, "Whether there is a realtime layer. Without one its other facts are zero.", |w, _| Value::Bool(realtime(w).is_some())),
    fact!(Realtime.port: Int, "The port for clients.", |w, _| int(realtime(w).map_or(0, |r| r.port))),
    fact!(Realtime.replicas: Int, "Its instances.", |w, _| int(realtime(w).map_or(0, |r| r.replicas))),
    fact!(Realtime.replicas_after_zone_loss: Int, "Instances left when the zone with the most of them is lost.", |w, _| w.left(realtime(w).map_or(0, |r| r.replicas))),
    fact!(Realtime.connections_per_replica: Int, "Sockets that one instance holds.", |w, _| long(realtime(w).map_or(0, |r| r.connections_per_replica_max))),
    fact!(Registry.declared: Bool, "Whether there is a registry. Without one its other facts are false or zero.", |w, _| Value::Bool(registry(w).is_some())),
    fact!(Registry.servers: Int, "Its servers.", |w, _| int(registry(w).map_or(0, |r| r.servers))),
    fact!(Registry.default_deny: Bool, "Whether a call is refused unless `needs` allows it.", |w, _| Value::Bool(registry(w).is_some_and(|r| r.default_deny))),
    fact!(Registry.embedded: Bool, "Whether archgen's own registry stands in for Consul.", |w, _| Value::Bool(registry(w).is_some_and(|r| r.embedded))),
    fact!(Load.users: Int, "Registered users.", |w, _| long(w.topology.map_or(0, |t| t.load.users))),
    fact!(Load.online: Int, "Users connected at peak.", |w, _| long(w.topology.map_or(0, |t| t.load.online))),
    fact!(Load.messages_mean_per_second: Double, "Messages a second on average.", |w, _| Value::Double(w.topology.map_or(0.0, |t| t.load.messages.mean_per_second))),
    fact!(Load.messages_peak_per_second: Double, "Messages a second at peak.", |w, _| Value::Double(w.topology.map_or(0.0, |t| t.load.messages.peak_per_second))),
    fact!(Load.message_bytes: Int, "Size of a message, bytes.", |w, _| long(w.topology.map_or(0, |t| t.load.messages.size_bytes))),
];

fn gateway<'a>(world: &World<'a>) -> Option<&'a crate::topology::Gateway> {
    world.topology?.gateway.as_ref()
}

fn realtime<'a>(world: &World<'a>) -> Option<&'a crate::topology::Realtime> {
    world.topology?.realtime.as_ref()
}

fn registry<'a>(world: &World<'a>) -> Option<&'a crate::topology::Registry> {
    world.topology?.registry.as_ref()
}
