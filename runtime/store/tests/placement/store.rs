//! A store of five nodes, of which three founded it.

use std::{collections::BTreeMap, time::Duration};

use archgen_env::{
    Env,
    net::Address,
    os,
    task::{Shutdown, Task},
};
use archgen_ports::ServiceKey;
use archgen_store::{EngineKind, Mover, NodeConfig, Place, PlacedClient, run};

struct Running {
    env: Env,
    task: Task,
}

/// A store with addresses for five nodes, of which three founded it.
pub struct Store {
    data: tempfile::TempDir,
    pub addresses: Vec<Address>,
    running: Vec<Option<Running>>,
    key: ServiceKey,
    units: u16,
}

impl Store {
    pub fn new(units: u16) -> Self {
        let sockets: Vec<_> = (0..5).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = sockets.iter().map(|s| Address::new("127.0.0.1", s.local_addr().unwrap().port())).collect();
        let running = (0..5).map(|_| None).collect();
        Self { data: tempfile::tempdir().unwrap(), addresses, running, key: ServiceKey::new("test-key"), units }
    }

    pub fn env(&self, name: &str) -> Env {
        os::env(name, self.data.path(), Shutdown::default())
    }

    /// Where a node keeps its data.
    pub fn data(&self, node: usize) -> std::path::PathBuf {
        self.data.path().join(node.to_string())
    }

    pub async fn start(&mut self, node: usize) {
        let folder = self.data(node);
        std::fs::create_dir_all(&folder).unwrap();
        let env = os::env(&format!("chat-{node}"), &folder, Shutdown::default());
        let address = self.addresses[node].clone();
        let config = NodeConfig {
            store: "chat".to_owned(),
            public_url: format!("http://{address}"),
            address: address.clone(),
            key: self.key.clone(),
            engine: EngineKind::Log,
            nodes: 3,
            topics: BTreeMap::from([("message".to_owned(), 8)]),
            membership: None,
            place: Place {
                ordinal: node as u32,
                founders: self.addresses[..3].to_vec(),
                addresses: Vec::new(),
                units: self.units,
            },
        };
        let its_env = env.clone();
        let task = env.spawn("node", async move { run(its_env, config).await.unwrap() });
        let up = async {
            while env.net().connect(&address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), up).await.expect("the node starts");
        self.running[node] = Some(Running { env, task });
    }

    pub async fn stop(&mut self, node: usize) {
        let Running { env, task } = self.running[node].take().unwrap();
        env.shutdown().trigger("test");
        assert!(task.join().await);
    }

    pub fn client(&self) -> PlacedClient {
        let founders = self.addresses[..3].to_vec();
        PlacedClient::new(&self.env("client"), founders, &self.key, self.units)
    }

    pub fn mover(&self) -> Mover {
        Mover::new(&self.env("mover"), self.addresses[0].clone(), &self.key)
    }
}
