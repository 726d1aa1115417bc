//! A copy of a fleet's data that cannot be whole writes nothing, and keeps nothing taken.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use archgen_env::{
    Env,
    http::{Client, Limits},
    net::Address,
    os,
    task::Shutdown,
};
use archgen_fleet::{Assembly, CopyError, EngineKind, Means, PublicUrls, copy, hosts};
use archgen_ports::{
    ChannelId, ServiceKey,
    accounts::{Accounts, Commit, Expect, Write},
    messages::{Append, Appended, Counts, Messages, NewEntry},
};
use archgen_spec::{sharding::slot_of, topology::Component};
use archgen_store::StoreClient;
use http::HeaderMap;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

const SHARDS: u16 = 8;

const SPEC: &str = "
archgen: v1
name: town
services:
  messaging: { port: 9210, shards: 8, needs: [chat.messages, users.channels, user], publishes: [events.message] }
  user: { port: 9310, password_memory: 64KiB, needs: [users.accounts], publishes: [events.user] }
stores:
  users:
    kind: postgres
    embedded: true
    tables:
      accounts: { key: id uuid, columns: { email: text unique } }
      channels: { key: id bigint, columns: { name: text } }
  chat:
    kind: cassandra
    embedded: true
    nodes: 2
    tables:
      messages:
        { partition: [channel_id bigint, bucket int], cluster: [message_id bigint desc], columns: { body: text }, bucket: 1d }
  events: { kind: kafka, embedded: true, topics: { message: { partitions: 4, key: channel_id }, user: { partitions: 1, key: user_id } } }
";

/// The stores of a fleet of its own, of which some are away.
struct Side {
    assembly: Arc<Assembly>,
    env: Env,
}

fn free_address() -> Address {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Address::new("127.0.0.1", socket.local_addr().unwrap().port())
}

impl Side {
    async fn start(folder: &Path, away: &[&str]) -> Self {
        let none = |_: &str| Err(archgen_spec::ReadError::Missing);
        let loaded = archgen_spec::load("town.yaml", SPEC.to_owned(), None, &none, &|_| None);
        let said: Vec<_> = loaded.diagnostics.iter().map(|d| format!("{}: {}", d.code, d.message)).collect();
        let topology = Arc::new(loaded.topology.unwrap_or_else(|| panic!("the spec is good: {said:?}")));
        let addresses = topology.instances().iter().map(|i| (i.name.clone(), free_address())).collect();
        let assembly = Arc::new(Assembly {
            founders: BTreeMap::new(),
            topology,
            addresses,
            key: ServiceKey::new("the-key-of-a-town-in-a-test-0123456789"),
            engine: EngineKind::Log,
            copies: false,
            public: PublicUrls { gateway: "http://127.0.0.1:1".to_owned(), realtime: Vec::new() },
            means: Means::default(),
        });
        let env = os::env("copy", folder, Shutdown::default());
        let side = Self { assembly, env };
        for host in hosts(&side.assembly).unwrap() {
            let name = host.name().to_owned();
            if matches!(host.instance().component, Component::Store(_)) && !away.contains(&name.as_str()) {
                let own = os::env(&name, &folder.join(&name), Shutdown::default());
                side.env.spawn("store", async move { host.start(own).await.unwrap() });
                side.ready(&name).await;
            }
        }
        side
    }

    async fn ready(&self, name: &str) {
        let client = Client::new(&self.env, Limits::default());
        let is_ready = async || {
            let reply = client.get(&self.assembly.addresses[name], "/readyz", HeaderMap::new()).await;
            reply.is_ok_and(|reply| reply.status.is_success())
        };
        let up = async {
            while !is_ready().await {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), up).await.expect("the store is ready");
    }

    fn store(&self, nodes: &[&str]) -> StoreClient {
        let addresses = nodes.iter().map(|name| self.assembly.addresses[*name].clone()).collect();
        StoreClient::new(&self.env, addresses, self.assembly.key.clone(), SHARDS)
    }

    /// Writes a channel's row, and an entry into its log; the channel is one of a shard on the first node.
    async fn write(&self, channel: &str) {
        let shard = slot_of(channel.as_bytes(), SHARDS);
        let row = Write {
            table: "channels".to_owned(),
            key: channel.to_owned(),
            expect: Expect::Any,
            value: Some(json!({"name": channel})),
        };
        assert_eq!(Accounts::commit(&self.store(&["users-1"]), vec![row]).await.unwrap(), Commit::Applied);
        let chat = self.store(&["chat-1", "chat-2"]);
        let epoch = chat.lease("old", "life", &[shard], 60_000).await.unwrap()[0].epoch;
        let entry = NewEntry {
            id: "1".into(),
            kind: "message.created".to_owned(),
            author: "ada".into(),
            ts: self.env.wall_ms(),
            client_msg_id: None,
            data: json!({"body": "hello"}),
            adds: Counts { messages: 1, ..Counts::default() },
            index: None,
            revises: None,
        };
        let channel = ChannelId::from(channel);
        let append = Append { shard, epoch, channel, head: 0, dedup_ms: 1_000, entries: vec![entry] };
        assert!(matches!(chat.append(append).await.unwrap(), Appended::Applied(_)));
        chat.release("old", "life", &[shard]).await.unwrap();
    }

    async fn rows(&self) -> usize {
        Accounts::scan(&self.store(&["users-1"]), "channels", None, 10).await.unwrap().len()
    }

    /// Shards that somebody holds now.
    async fn held(&self, nodes: &[&str]) -> BTreeSet<u16> {
        let leases = self.store(nodes).leases().await.unwrap();
        leases.iter().filter(|lease| lease.left_ms > 0).map(|lease| lease.shard).collect()
    }
}

/// A channel whose shard is on this node.
fn channel_on(node: u16) -> String {
    (1..).map(|n: u32| n.to_string()).find(|c| slot_of(c.as_bytes(), SHARDS) % 2 == node).unwrap()
}

async fn copied(from: &Side, to: &Side) -> Result<Vec<String>, CopyError> {
    let mut all = Vec::new();
    let mut said = |copied: &archgen_fleet::Copied| {
        assert!(copied.is_equal(), "{copied:?}");
        all.push(copied.what.clone());
    };
    copy(&from.assembly, &to.assembly, &from.env, &mut said).await?;
    Ok(all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_copied_and_no_lease_is_kept() {
    let data = TempDir::new().unwrap();
    let from = Side::start(&data.path().join("from"), &[]).await;
    let to = Side::start(&data.path().join("to"), &[]).await;
    let channels = [channel_on(0), channel_on(1)];
    for channel in &channels {
        from.write(channel).await;
    }
    let all = copied(&from, &to).await.unwrap();
    assert!(all.contains(&"chat logs".to_owned()) && all.contains(&"users.channels".to_owned()), "{all:?}");
    let nodes = ["chat-1", "chat-2"];
    let epochs = async |side: &Side| side.store(&nodes).leases().await.unwrap().into_iter().map(|l| l.epoch).collect();
    let (old, new): (Vec<u64>, Vec<u64>) = (epochs(&from).await, epochs(&to).await);
    assert!(new.len() == usize::from(SHARDS) && new.iter().min() > old.iter().max(), "{old:?}, {new:?}");
    assert_eq!(to.held(&nodes).await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_where_any_store_has_something_already() {
    let data = TempDir::new().unwrap();
    let from = Side::start(&data.path().join("from"), &[]).await;
    let to = Side::start(&data.path().join("to"), &[]).await;
    let channel = channel_on(0);
    from.write(&channel).await;
    to.write(&channel).await;
    let gone = Write { table: "channels".to_owned(), key: channel, expect: Expect::Any, value: None };
    Accounts::commit(&to.store(&["users-1"]), vec![gone]).await.unwrap();
    // Its rows are none, but its logs are there.
    let error = copied(&from, &to).await.unwrap_err();
    assert!(matches!(&error, CopyError::NotEmpty(what) if what == "chat logs"), "{error}");
    assert_eq!(to.rows().await, 0, "rows come before logs, and were not written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_does_not_answer_ends_the_copy_and_the_others_are_given_back() {
    let data = TempDir::new().unwrap();
    let from = Side::start(&data.path().join("from"), &[]).await;
    let to = Side::start(&data.path().join("to"), &["chat-2"]).await;
    // What is known to be there is all on the node that answers.
    from.write(&channel_on(0)).await;
    let error = copied(&from, &to).await.unwrap_err();
    assert!(error.to_string().contains("shard 1 of the new store does not answer"), "{error}");
    assert_eq!(to.held(&["chat-1"]).await, BTreeSet::new(), "the shards that did answer are free again");
}
