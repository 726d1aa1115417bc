//! Public images of the real engines: how a node of each is started so that its cluster comes to be.

use archgen_spec::topology::{Component, Gateway, Instance, Store, StoreId, StoreKind, Topology};

use super::{Check, Container, ENGINE_FILES, Image, STORE_PASSWORD, Text};
use crate::context::nginx::status_port;
use crate::context::observe::exporter;

/// Something that is run once, when all nodes of a store are there.
pub(crate) struct Join {
    /// Its name.
    pub(crate) name: String,
    /// The store.
    pub(crate) store: StoreId,
    pub(crate) image: Image,
    pub(crate) command: Vec<String>,
    /// Whether it needs the stores' password, as STORE_PASSWORD.
    pub(crate) password: bool,
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|w| (*w).to_owned()).collect()
}

fn command(text: &[&str]) -> Check {
    Check::Command(words(text))
}

fn image(store: &Store, name: &str, usual: &str) -> Image {
    let wanted = store.version.as_deref().unwrap_or(usual);
    // Some images have no tag for a minor version alone: there the spec's version picks the patch that we know of.
    let known = usual.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'));
    Image::Public(format!("{name}:{}", if known { usual } else { wanted }))
}

/// Nodes of a store as `host:port`, joined.
fn members(topology: &Topology, id: StoreId, host: &dyn Fn(&Instance) -> String, between: &str) -> String {
    let nodes = topology.component_instances(Component::Store(id));
    nodes.iter().map(|i| format!("{}:{}", host(i), i.port)).collect::<Vec<_>>().join(between)
}

/// A node of a real engine.
pub(super) fn store(topology: &Topology, id: StoreId, host: &dyn Fn(&Instance) -> String) -> Container {
    let store = topology.store(id);
    let port = store.port.to_string();
    let mut made = match store.kind {
        StoreKind::Redis => redis(store, &port),
        StoreKind::Postgres => postgres(topology, id, host),
        StoreKind::Cassandra => cassandra(topology, id, host),
        StoreKind::Mongodb => mongodb(store, &port),
        StoreKind::Kafka => kafka(topology, id, host),
        StoreKind::Elasticsearch => elasticsearch(topology, id, host),
        StoreKind::S3 => s3(topology, id, host),
    };
    made.memory_bytes = store.memory_bytes;
    made
}

fn container(image: Image, check: Check, data: &'static str) -> Container {
    Container {
        image,
        entry: Vec::new(),
        arguments: Vec::new(),
        environment: Vec::new(),
        alive: check.clone(),
        ready: check,
        data: Some(data),
        files: None,
        memory_bytes: None,
    }
}

fn redis(store: &Store, port: &str) -> Container {
    let mut made = container(image(store, "redis", "7.2"), command(&["redis-cli", "-p", port, "ping"]), "/data");
    made.entry = words(&["sh", &format!("{ENGINE_FILES}/start.sh")]);
    made.environment = vec![("STORE_PASSWORD".to_owned(), Text::Secret(STORE_PASSWORD.to_owned()))];
    made.files = Some((format!("redis/{}", store.name), &["redis.conf", "start.sh", "users.acl"]));
    made
}

fn postgres(topology: &Topology, id: StoreId, host: &dyn Fn(&Instance) -> String) -> Container {
    let store = topology.store(id);
    let check = command(&["pg_isready", "-q", "-U", "postgres", "-p", &store.port.to_string()]);
    let nodes = topology.component_instances(Component::Store(id));
    let primaries: Vec<String> = nodes.iter().step_by(store.copies.max(1) as usize).map(host).collect();
    let mut made = container(image(store, "postgres", "15"), check, "/var/lib/postgresql/data");
    made.entry = words(&["sh", &format!("{ENGINE_FILES}/start.sh")]);
    let files: &[&str] = &["pg_hba.conf", "primary.conf", "standby.conf", "start.sh"];
    made.files = Some((format!("postgres/{}", store.name), files));
    made.environment = vec![
        ("ORDINAL".to_owned(), Text::Ordinal),
        ("PGDATA".to_owned(), Text::Plain("/var/lib/postgresql/data/node".to_owned())),
        plain("PRIMARIES", primaries.join(" ")),
        ("POSTGRES_PASSWORD".to_owned(), Text::Secret(STORE_PASSWORD.to_owned())),
    ];
    made
}

fn plain(name: &str, text: impl Into<String>) -> (String, Text) {
    (name.to_owned(), Text::Plain(text.into()))
}

fn cassandra(topology: &Topology, id: StoreId, host: &dyn Fn(&Instance) -> String) -> Container {
    let store = topology.store(id);
    let check = command(&["nodetool", "info"]);
    let mut made = container(image(store, "cassandra", "4.1"), check, "/var/lib/cassandra");
    // One seed in each zone.
    let nodes = topology.component_instances(Component::Store(id));
    let seeds: Vec<String> = nodes.iter().take(topology.zones.len()).map(host).collect();
    let datacenter = store.replication.first().map_or("datacenter1", |(name, _)| name.as_str());
    made.environment = vec![
        plain("CASSANDRA_CLUSTER_NAME", store.namespace.as_str()),
        plain("CASSANDRA_SEEDS", seeds.join(",")),
        plain("CASSANDRA_DC", datacenter),
        plain("CASSANDRA_ENDPOINT_SNITCH", "GossipingPropertyFileSnitch"),
        plain("CASSANDRA_NUM_TOKENS", "16"),
    ];
    made
}

fn mongodb(store: &Store, port: &str) -> Container {
    let check = command(&["mongosh", "--quiet", "--port", port, "--eval", "db.hello().ok"]);
    let mut made = container(image(store, "mongo", "7.0"), check, "/data/db");
    // The set that a node belongs to follows from its ordinal: sets are filled one after the other.
    let script = format!(
        "exec mongod --bind_ip_all --port {port} --replSet {}-s$(( (ORDINAL - 1) / {} + 1 ))",
        store.name,
        store.copies.max(1)
    );
    made.entry = words(&["bash", "-c", &script]);
    made.environment = vec![("ORDINAL".to_owned(), Text::Ordinal)];
    made
}

fn kafka(topology: &Topology, id: StoreId, host: &dyn Fn(&Instance) -> String) -> Container {
    let store = topology.store(id);
    let port = store.port;
    let quorum = if port == 9_093 { 9_094 } else { 9_093 };
    let check = command(&["bash", "-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")]);
    let mut made = container(image(store, "apache/kafka", "3.7.2"), check, "/var/lib/kafka/data");
    let nodes = topology.component_instances(Component::Store(id));
    // Three nodes, or the only one, also hold the metadata; each node holds data.
    let voters = if nodes.len() < 3 { 1 } else { 3 };
    let voters: Vec<String> =
        nodes.iter().take(voters).map(|i| format!("{}@{}:{quorum}", i.ordinal + 1, host(i))).collect();
    made.environment = vec![
        ("KAFKA_NODE_ID".to_owned(), Text::Ordinal),
        plain("KAFKA_CLUSTER_ID", cluster_id(&topology.name, &store.name)),
        plain("KAFKA_PROCESS_ROLES", "broker,controller"),
        plain("KAFKA_CONTROLLER_QUORUM_VOTERS", voters.join(",")),
        plain("KAFKA_LISTENERS", format!("PLAINTEXT://:{port},CONTROLLER://:{quorum}")),
        plain("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        plain("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        plain("KAFKA_LOG_DIRS", "/var/lib/kafka/data/log"),
        plain("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false"),
        plain("KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE", "false"),
    ];
    made
}

/// Twenty-two characters in the alphabet of URLs, as Kafka's own ids are, the same for one system each time.
fn cluster_id(system: &str, store: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let hash = blake3::hash(format!("{system}/{store}").as_bytes());
    let letters = hash.as_bytes().iter().take(21).map(|b| char::from(LETTERS[usize::from(b % 64)]));
    // The last letter carries two bits only.
    std::iter::once('A').chain(letters.skip(1)).chain(['A', 'A']).take(22).collect()
}

fn elasticsearch(topology: &Topology, id: StoreId, host: &dyn Fn(&Instance) -> String) -> Container {
    let store = topology.store(id);
    let check = Check::Http(store.port, "/_cluster/health?local=true".to_owned());
    let mut made = container(image(store, "elasticsearch", "8.15.5"), check, "/usr/share/elasticsearch/data");
    let nodes = topology.component_instances(Component::Store(id));
    let hosts: Vec<String> = nodes.iter().map(host).collect();
    let masters: Vec<&str> = nodes.iter().take(if nodes.len() < 3 { 1 } else { 3 }).map(|i| i.name.as_str()).collect();
    let single = nodes.len() == 1;
    made.environment =
        vec![plain("cluster.name", store.namespace.as_str()), plain("http.port", store.port.to_string())];
    made.environment.push(plain("xpack.security.enabled", "false"));
    made.environment.push(plain("node.name", "${HOSTNAME}"));
    if single {
        made.environment.push(plain("discovery.type", "single-node"));
    } else {
        made.environment.push(plain("discovery.seed_hosts", hosts.join(",")));
        made.environment.push(plain("cluster.initial_master_nodes", masters.join(",")));
    }
    made
}

fn s3(topology: &Topology, id: StoreId, host: &dyn Fn(&Instance) -> String) -> Container {
    let store = topology.store(id);
    let check = Check::Http(store.port, "/minio/health/live".to_owned());
    let image = Image::Public("minio/minio:RELEASE.2024-08-17T01-24-54Z".to_owned());
    let mut made = container(image, check, "/data");
    let nodes = topology.component_instances(Component::Store(id));
    made.arguments = words(&["server", "--address", &format!(":{}", store.port)]);
    if nodes.len() > 1 {
        made.arguments.extend(nodes.iter().map(|i| format!("http://{}:{}/data/disk", host(i), i.port)));
    } else {
        made.arguments.push("/data/disk".to_owned());
    }
    made.environment = vec![
        plain("MINIO_ROOT_USER", "archgen"),
        ("MINIO_ROOT_PASSWORD".to_owned(), Text::Secret(STORE_PASSWORD.to_owned())),
    ];
    made
}

/// A Consul server.
pub(super) fn consul(topology: &Topology, host: &dyn Fn(&Instance) -> String) -> Container {
    let check = command(&["consul", "info"]);
    let mut made = container(Image::Public("hashicorp/consul:1.20".to_owned()), check, "/consul/data");
    made.arguments = words(&["agent", &format!("-config-file={ENGINE_FILES}/server.json"), "-client=0.0.0.0"]);
    let servers = topology.component_instances(Component::Registry);
    made.arguments.extend(servers.iter().map(|i| format!("-retry-join={}", host(i))));
    made.files = Some(("consul".to_owned(), &["server.json"]));
    made
}

/// A gateway.
pub(super) fn nginx(topology: &Topology) -> Container {
    let (version, port) = topology.gateway.as_ref().map_or(((1, 22), 80), |g: &Gateway| (g.version, g.port));
    let status = format!("http://127.0.0.1:{}/nginx_status", status_port(port));
    let mut made = container(
        Image::Public(format!("nginx:{}.{}", version.0, version.1)),
        command(&["curl", "-fsS", "-o", "/dev/null", &status]),
        "/gateway/run",
    );
    made.entry = words(&["nginx", "-p", "/gateway", "-c", "nginx.conf", "-g", "daemon off;"]);
    made
}

/// Tells Prometheus nginx's counters.
pub(crate) const EXPORTER_IMAGE: &str = "nginx/nginx-prometheus-exporter:1.5.1";

/// How the exporter beside an nginx is started, where there is one.
pub(crate) fn exporter_arguments(topology: &Topology) -> Option<Vec<String>> {
    let port = exporter(topology)?;
    let status = status_port(topology.gateway.as_ref()?.port);
    Some(vec![
        format!("--web.listen-address=:{port}"),
        format!("--nginx.scrape-uri=http://127.0.0.1:{status}/nginx_status"),
    ])
}

/// What joins the nodes of stores into clusters.
pub(crate) fn joins(topology: &Topology, host: &dyn Fn(&Instance) -> String) -> Vec<Join> {
    let mut all = Vec::new();
    for (index, store) in topology.stores.iter().enumerate().filter(|(_, s)| !s.embedded && !s.is_real()) {
        let id = StoreId(index);
        match store.kind {
            StoreKind::Redis if store.nodes >= 3 => {
                let replicas = store.copies.saturating_sub(1);
                let script = format!(
                    "export REDISCLI_AUTH=\"$STORE_PASSWORD\"; redis-cli --user archgen --cluster check {first} || redis-cli --user archgen \
                     --cluster create {all} --cluster-replicas {replicas} --cluster-yes",
                    first = members(topology, id, host, " ").split(' ').next().unwrap_or_default(),
                    all = members(topology, id, host, " "),
                );
                all.push(Join {
                    name: format!("{}-join", store.name),
                    store: id,
                    image: image(store, "redis", "7.2"),
                    command: words(&["sh", "-c", &script]),
                    password: true,
                });
            }
            StoreKind::Mongodb => all.extend(mongodb_sets(topology, id, host)),
            _ => {}
        }
    }
    all
}

fn mongodb_sets(topology: &Topology, id: StoreId, host: &dyn Fn(&Instance) -> String) -> Vec<Join> {
    let store = topology.store(id);
    let nodes = topology.component_instances(Component::Store(id));
    let sets = nodes.chunks(store.copies.max(1) as usize).enumerate();
    let join = |(set, nodes): (usize, &[Instance])| {
        let members: Vec<String> = nodes
            .iter()
            .enumerate()
            .map(|(i, node)| format!("{{_id:{i},host:\"{}:{}\"}}", host(node), node.port))
            .collect();
        let name = format!("{}-s{}", store.name, set + 1);
        let script = format!(
            "try {{ rs.status() }} catch {{ rs.initiate({{_id:\"{name}\",members:[{}]}}) }}",
            members.join(",")
        );
        let first = nodes.first().map_or_else(String::new, |n| format!("{}:{}", host(n), n.port));
        Join {
            name: format!("{name}-join"),
            store: id,
            image: image(store, "mongo", "7.0"),
            command: words(&["mongosh", "--quiet", &first, "--eval", &script]),
            password: false,
        }
    };
    sets.map(join).collect()
}
