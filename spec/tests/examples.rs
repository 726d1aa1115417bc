//! The example specs load without a single diagnostic, in every environment, and mean what they say.
#![expect(clippy::unwrap_used, reason = "a test whose example cannot be read must fail")]

use std::path::Path;
use std::time::Duration;

use archgen_spec::diagnostic::human;
use archgen_spec::topology::{Component, ServiceKind, Topology};
use archgen_spec::{Loaded, OriginSource, ReadError, load};

fn loaded(spec: &str, environment: Option<&str>) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(spec);
    let folder = path.parent().unwrap().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    let read = |relative: &str| std::fs::read_to_string(folder.join(relative)).map_err(|_| ReadError::Missing);
    load(spec, text, environment, &read, &|_| None)
}

fn clean(spec: &str, environment: Option<&str>) -> Topology {
    let loaded = loaded(spec, environment);
    let text = human(&loaded.diagnostics, &loaded.sources, false);
    assert_eq!(text, "", "{spec} in {environment:?}");
    loaded.topology.unwrap()
}

#[test]
fn the_reference_system_is_resolved_in_full() {
    let topology = clean("slack/topology.yaml", None);
    let names = |c: Component| topology.component_name(c).to_owned();
    let components: Vec<String> = topology.components().into_iter().map(names).collect();
    assert_eq!(
        components.join(" "),
        "registry cache users chat docs events index blobs messaging user file notification search realtime gateway"
    );
    let instances: Vec<String> =
        topology.components().iter().map(|c| topology.component_instances(*c).len().to_string()).collect();
    assert_eq!(instances.join(" "), "3 6 6 12 9 6 6 1 6 3 3 3 3 6 2");
    let copies: Vec<u32> = topology.stores.iter().map(|s| s.copies).collect();
    assert_eq!(copies, [2, 3, 3, 3, 3, 2, 1]);
    let gateway = topology.gateway.as_ref().unwrap();
    assert_eq!((gateway.port, gateway.tls.as_deref(), gateway.host.as_str()), (443, Some("tls"), "chat.example.test"));
    let open: Vec<&str> = gateway.routes.iter().filter(|r| !r.authenticated).map(|r| r.prefix.as_str()).collect();
    assert_eq!(open, ["/.well-known", "/api/v1/auth", "/oauth2"]);
    assert!(gateway.routes.windows(2).all(|pair| pair[0].prefix.len() >= pair[1].prefix.len()));
    assert_eq!(topology.load.messages.peak_per_second, 60_000.0);
    assert_eq!(topology.simulation.faults.len(), 4);
}

#[test]
fn dev_runs_on_one_machine() {
    let topology = clean("slack/topology.yaml", Some("dev"));
    assert!(topology.stores.iter().all(|s| s.embedded && s.nodes == 1 && s.copies == 1));
    assert!(topology.registry.as_ref().is_some_and(|r| r.embedded && r.servers == 1 && r.port == 8500));
    let gateway = topology.gateway.as_ref().unwrap();
    assert!(gateway.embedded && gateway.tls.is_none() && gateway.port == 8080 && gateway.replicas == 1);
    assert_eq!(topology.instances().len(), 1 + 7 + 6 + 2 + 1);
    // The description of the real engine survives: only where it runs has changed.
    assert_eq!(topology.store_named("chat").unwrap().1.replication, [("eu".to_owned(), 3)]);
}

#[test]
fn sim_leaves_its_faults_to_the_graph() {
    let topology = clean("slack/topology.yaml", Some("sim"));
    let simulation = &topology.simulation;
    assert_eq!((simulation.duration, simulation.settle), (Duration::from_secs(10), Duration::from_secs(8)));
    assert_eq!((simulation.clients, simulation.sends), (3, 20));
    // Nothing is declared, so that the simulator derives every fault from the graph.
    assert!(simulation.faults.is_empty(), "{:?}", simulation.faults);
    assert_eq!(topology.service_named("user").unwrap().1.password_memory_bytes, 64 * 1024);
}

#[test]
fn prod_changes_little_and_minimal_is_small() {
    let topology = clean("slack/topology.yaml", Some("prod"));
    assert_eq!(topology.gateway.as_ref().unwrap().host, "chat.example.com");
    assert_eq!(topology.realtime.as_ref().unwrap().replicas, 8);
    let minimal = clean("minimal/topology.yaml", None);
    let kinds: Vec<&ServiceKind> = minimal.services.iter().map(|s| &s.kind).collect();
    assert_eq!(kinds, [&ServiceKind::Messaging, &ServiceKind::User]);
    assert_eq!(minimal.instances().len(), 1 + 4 + 2 + 1 + 1);
    assert_eq!(minimal.zones, ["local"]);
}

#[test]
fn every_value_knows_where_it_comes_from() {
    let loaded = loaded("slack/topology.yaml", Some("dev"));
    let place = |path: &str| loaded.origins.get(path).map(|o| format!("{} {}", o.value, o.place(&loaded.sources)));
    assert_eq!(place("gateway.port").as_deref(), Some("8080 slack/env/dev.yaml:7:9"));
    assert_eq!(place("services.messaging.replicas").as_deref(), Some("2 slack/env/dev.yaml:16:26"));
    assert_eq!(place("services.messaging.port").as_deref(), Some("9200 slack/topology.yaml:56:11"));
    assert_eq!(
        place("services.messaging.lease").as_deref(),
        Some("2s default: how long a dead owner blocks its shards")
    );
    // From `defaults.service`, which stands in the base.
    assert_eq!(place("services.search.stop_within").as_deref(), Some("30s slack/topology.yaml:15:67"));
    assert_eq!(place("gateway.tls"), None);
    assert!(loaded.origins.iter().any(|(_, o)| matches!(o.source, OriginSource::Default(_))));
    assert_eq!(loaded.environments, ["dev", "sim", "prod", "mixed", "real"]);
}
