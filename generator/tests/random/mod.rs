//! Random valid specs: every kind of store, number of zones, version of nginx and odd but legal name that the language has.

use std::fmt::Write as _;

use archgen_spec::topology::Topology;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Names that are words of some target's language, and long ones.
const NAMES: [&str; 12] = [
    "a",
    "order",
    "select",
    "default",
    "upstream",
    "server",
    "node",
    "true-story",
    "x9",
    "billing",
    "a-service-with-a-name-that-is-rather-long",
    "end",
];
const STORE_NAMES: [&str; 7] = ["cache", "group", "wide", "docs", "events", "index", "blobs"];
const COLUMNS: [&str; 6] = ["id", "order", "select", "owner_id", "a", "primary"];

/// What the strategy draws; [`spec`] writes it down.
#[derive(Debug, Clone)]
pub struct Drawn {
    zones: usize,
    services: Vec<(String, u32, Vec<usize>)>,
    stores: Vec<usize>,
    nodes: u32,
    partitions: u32,
    version: &'static str,
    embedded: (bool, bool),
    tls: bool,
    port: u16,
    limits: (bool, bool, bool),
    cache: bool,
    balance: &'static str,
    servers: u32,
    prefix: &'static str,
    realtime: bool,
    columns: Vec<&'static str>,
    ttl_days: u32,
    objective: &'static str,
}

fn services() -> impl Strategy<Value = Vec<(String, u32, Vec<usize>)>> {
    let count = 1..=NAMES.len();
    count.prop_flat_map(|n| {
        let replicas = prop::collection::vec(1_u32..=9, n);
        let needs = prop::collection::vec(prop::collection::vec(0..NAMES.len(), 0..3), n);
        (subsequence(NAMES.to_vec(), n), replicas, needs).prop_map(|(names, replicas, needs)| {
            let all = names.into_iter().zip(replicas).zip(needs);
            all.map(|((name, replicas), needs)| (name.to_owned(), replicas, needs)).collect()
        })
    })
}

/// Draws systems.
pub fn drawn() -> impl Strategy<Value = Drawn> {
    let stores = (0..=STORE_NAMES.len()).prop_flat_map(|n| subsequence((0..STORE_NAMES.len()).collect::<Vec<_>>(), n));
    let size = (1_usize..=5, 3_u32..=9, prop_oneof![Just(1_u32), Just(2), Just(7), Just(64)]);
    let gateway = (
        select(vec!["1.22", "1.24", "1.26", "1.28"]),
        (any::<bool>(), any::<bool>()),
        any::<bool>(),
        select(vec![443_u16, 8_080, 8_081]),
        (any::<bool>(), any::<bool>(), any::<bool>()),
        any::<bool>(),
        select(vec!["round_robin", "least_conn", "consistent_hash"]),
        select(vec!["/", "/api", "/api/v1/a-b.c", "/~x"]),
    );
    let rest = (select(vec![1_u32, 3, 5]), any::<bool>(), subsequence(COLUMNS.to_vec(), 1..=COLUMNS.len()), 1_u32..400);
    let objective = select(vec!["", "94%", "98.765%", "99.9%", "99.95%", "99.999%"]);
    (services(), stores, size, gateway, (rest, objective)).prop_map(
        |(services, stores, size, gateway, (rest, objective))| Drawn {
            zones: size.0,
            services,
            stores,
            nodes: size.1,
            partitions: size.2,
            version: gateway.0,
            embedded: gateway.1,
            tls: gateway.2,
            port: gateway.3,
            limits: gateway.4,
            cache: gateway.5,
            balance: gateway.6,
            servers: rest.0,
            prefix: gateway.7,
            realtime: rest.1,
            columns: rest.2,
            ttl_days: rest.3,
            objective,
        },
    )
}

/// The drawn system as a spec.
pub fn spec(drawn: &Drawn) -> String {
    let mut text =
        String::from("archgen: v1\nname: drawn\nsecrets: { cert: \"file:./tls\", key: \"env:DRAWN_KEY\" }\n");
    let zones: Vec<String> = (0..drawn.zones).map(|z| format!("zone-{z}")).collect();
    let _ = writeln!(text, "zones: [{}]", zones.join(", "));
    let embedded = if drawn.embedded.0 { "embedded: true, servers: 1" } else { "embedded: false" };
    let servers = if drawn.embedded.0 { String::new() } else { format!(", servers: {}", drawn.servers) };
    let _ = writeln!(text, "registry: {{ kind: consul, datacenter: dc1, acl: default-deny, {embedded}{servers} }}");
    if !drawn.objective.is_empty() {
        // What is scraped or called by a host of ours: the registry, the gateway, what is embedded.
        let own = format!("registry: 99%, gateway: 97.5%, {}: 99%", drawn.services[0].0);
        let _ = writeln!(text, "objectives: {{ success: {}, components: {{ {own} }} }}", drawn.objective);
    }
    gateway(drawn, &mut text);
    if drawn.realtime {
        text.push_str("realtime: { kind: socketio, port: 3000, replicas: 3 }\n");
    }
    text.push_str("services:\n");
    for (i, (name, replicas, needs)) in drawn.services.iter().enumerate() {
        let mut all: Vec<String> = needs.iter().filter(|n| **n < i).map(|n| drawn.services[*n].0.clone()).collect();
        if i == 0 {
            // A log is written to, not needed.
            all.extend(drawn.stores.iter().filter(|s| **s != 4).map(|s| STORE_NAMES[*s].to_owned()));
        }
        let publishes = if i == 0 && drawn.stores.contains(&4) { ", publishes: [events.message]" } else { "" };
        all.sort();
        all.dedup();
        let _ = writeln!(
            text,
            "  {name}: {{ kind: process, command: [./run, --port, \"${{port}}\", \"$HOME \\\"q\\\"\"], env: {{ A: \"x $y\", \
             B: \"secret:key\" }}, port: {}, replicas: {replicas}, needs: [{}]{publishes} }}",
            9_000 + i,
            all.join(", ")
        );
    }
    if !drawn.stores.is_empty() {
        text.push_str("stores:\n");
    }
    for store in &drawn.stores {
        let _ = writeln!(text, "  {}: {}", STORE_NAMES[*store], store_body(drawn, *store));
    }
    text
}

fn gateway(drawn: &Drawn, text: &mut String) {
    let _ = writeln!(text, "gateway:\n  kind: nginx\n  version: \"{}\"\n  host: a.example.test", drawn.version);
    // 443 without TLS is a mistake, not a system.
    let port = if drawn.port == 443 && !drawn.tls { 80 } else { drawn.port };
    let _ = writeln!(text, "  port: {port}\n  replicas: 2\n  discovery: consul");
    if drawn.embedded.1 {
        text.push_str("  embedded: true\n");
    }
    if drawn.tls {
        text.push_str("  tls: secret:cert\n");
    }
    let (ip, token, connections) = drawn.limits;
    let mut limits = Vec::new();
    limits.extend(ip.then_some("per_ip: 20/s burst 40"));
    limits.extend(token.then_some("per_token: 50/s burst 100"));
    limits.extend(connections.then_some("connections_per_ip: 50"));
    if !limits.is_empty() {
        let _ = writeln!(text, "  limits: {{ {} }}", limits.join(", "));
    }
    if drawn.cache {
        let _ = writeln!(
            text,
            "  cors: {{ origins: [https://app.example.test, \"http://localhost:5173\"], credentials: {ip}, max_age: 1h }}"
        );
    } else if connections {
        text.push_str("  cors: { origins: [\"*\"], methods: [GET], headers: [X-Any] }\n");
    }
    if token {
        text.push_str("  exporter: 9113\n");
    }
    let first = &drawn.services[0].0;
    let _ = writeln!(text, "  auth: {{ by: {first}, cache: 5s, cache_denied: 1s }}\n  routes:");
    let cache = if drawn.cache { ", micro_cache: 2s" } else { "" };
    let _ = writeln!(text, "    {}: {{ to: {first}, balance: {}{cache} }}", drawn.prefix, drawn.balance);
    for (i, (name, _, _)) in drawn.services.iter().enumerate() {
        let open = if i % 3 == 0 { ", auth: none, limit: 30/m burst 5" } else { "" };
        let _ = writeln!(text, "    /s{i}: {{ to: {name}, timeout: {}s{open} }}", i % 7 + 1);
    }
}

fn store_body(drawn: &Drawn, store: usize) -> String {
    let (nodes, partitions) = (drawn.nodes, drawn.partitions);
    let columns: Vec<String> = drawn.columns.iter().filter(|c| **c != "id").map(|c| format!("{c}: text")).collect();
    let columns = columns.join(", ");
    let copies = drawn.zones.min(3);
    match store {
        0 => format!("{{ kind: redis, version: \"7.2\", nodes: {}, replicas: 1, memory: 1GiB }}", nodes * 2),
        1 => format!(
            "{{ kind: postgres, version: \"15\", nodes: {nodes}, replicas: 1, tables: {{ group: {{ key: id uuid, columns: {{ {columns} \
             }}, shard: {{ by: hash(id), into: {partitions} }} }}, plain: {{ key: [id bigint, owner text], tenant: owner, indexes: {{ by_owner: \
             [owner, id] }} }} }} }}"
        ),
        2 => format!(
            "{{ kind: cassandra, version: \"4.1\", nodes: {nodes}, replication: {{ dc1: {copies} }}, tables: {{ table: {{ partition: [id \
             bigint, bucket int], cluster: [seq bigint desc], columns: {{ {columns} }}, bucket: 1d, ttl: {}d }} }} }}",
            drawn.ttl_days
        ),
        3 => format!(
            "{{ kind: mongodb, version: \"7.0\", shards: 2, replicas: {copies}, collections: {{ files: {{ key: hashed(_id), indexes: {{ \
             by_owner: [owner, _id] }} }}, inbox: {{ key: [owner, _id] }} }} }}"
        ),
        4 => format!(
            "{{ kind: kafka, version: \"3.7\", brokers: {nodes}, topics: {{ message: {{ partitions: {partitions}, replicas: {copies}, key: \
             id, retain: {}d }} }} }}",
            drawn.ttl_days
        ),
        5 => format!(
            "{{ kind: elasticsearch, version: \"8.15\", nodes: {nodes}, indexes: {{ things: {{ shard_size: 30GB, replicas: 1, route: id \
             }} }} }}"
        ),
        _ => format!(
            "{{ kind: s3, buckets: {{ files: {{ versioned: true, expire: {}d }}, open: {{}} }} }}",
            drawn.ttl_days
        ),
    }
}

/// The topology of a spec, or what is wrong with it.
pub fn load(text: &str) -> Result<Topology, String> {
    let none = |_: &str| Err(archgen_spec::ReadError::Other("there is one file only".to_owned()));
    let loaded = archgen_spec::load("topology.yaml", text.to_owned(), None, &none, &|_| Some("set".to_owned()));
    let problems: Vec<String> = loaded.diagnostics.iter().map(|d| format!("{:?}", d)).take(5).collect();
    loaded.topology.ok_or_else(|| problems.join("\n"))
}

/// Systems that the language accepts.
pub fn topologies() -> impl Strategy<Value = (String, Topology)> {
    drawn().prop_map(|d| spec(&d)).prop_filter_map("the language refuses it", |text| {
        let topology = load(&text).ok()?;
        Some((text, topology))
    })
}
