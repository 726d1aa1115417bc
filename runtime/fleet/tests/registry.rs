//! The registry port's conformance suite against archgen's own registry host.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use archgen_backends::consul::ConsulRegistry;
use archgen_env::{net::Address, os, task::Shutdown};
use archgen_fleet::{Assembly, EngineKind, Means, PublicUrls, hosts};
use archgen_ports::{ServiceKey, conformance};
use archgen_spec::topology::Component;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

const KEY: &str = "the-key-of-a-town-in-a-test-0123456789";

const SPEC: &str = "
archgen: v1
name: town
registry: { kind: consul, datacenter: eu, servers: 1, embedded: true }
services:
  user: { port: 9310, password_memory: 64KiB, needs: [users.accounts], publishes: [events.user] }
stores:
  users:
    kind: postgres
    embedded: true
    tables: { accounts: { key: id uuid, columns: { email: text unique } } }
  events: { kind: kafka, embedded: true, topics: { user: { partitions: 1, key: user_id } } }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_registry_keeps_the_port_s_promises() {
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let loaded = archgen_spec::load("town.yaml", SPEC.to_owned(), None, &none, &|_| None);
    let said: Vec<_> = loaded.diagnostics.iter().map(|d| format!("{}: {}", d.code, d.message)).collect();
    let topology = Arc::new(loaded.topology.unwrap_or_else(|| panic!("the spec is good: {said:?}")));
    let mut addresses = BTreeMap::new();
    for instance in topology.instances() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        addresses.insert(instance.name.clone(), Address::new("127.0.0.1", socket.local_addr().unwrap().port()));
    }
    let assembly = Arc::new(Assembly {
        founders: BTreeMap::new(),
        topology,
        addresses,
        key: ServiceKey::new(KEY),
        engine: EngineKind::Log,
        copies: false,
        public: PublicUrls { gateway: "http://127.0.0.1:1".to_owned(), realtime: Vec::new() },
        means: Means::default(),
    });
    let all = hosts(&assembly).unwrap();
    let host = all.into_iter().find(|host| host.instance().component == Component::Registry).unwrap();
    let (data, address) = (TempDir::new().unwrap(), assembly.addresses[host.name()].clone());
    let env = os::env(host.name(), data.path(), Shutdown::default());
    let own = env.clone();
    env.spawn("registry", async move { host.start(own).await.unwrap() });
    let up = async {
        while env.net().connect(&address).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), up).await.expect("the registry listens");
    let port = ConsulRegistry::new(env, vec![address], Some(KEY));
    let kept = conformance::registry(&port, 1_000, async |ms| sleep(Duration::from_millis(ms)).await).await;
    kept.unwrap_or_else(|violation| panic!("{violation}"));
}
