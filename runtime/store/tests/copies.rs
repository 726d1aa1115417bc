//! A group of nodes that keep copies: the ports' conformance suites through it, and what the loss of its leader loses.
#![expect(clippy::disallowed_methods, reason = "a test stands outside the hosts that it drives")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use archgen_env::{
    Env,
    net::Address,
    os,
    task::{Shutdown, Task},
};
use archgen_ports::{
    ChannelId, ServiceKey,
    accounts::{Accounts, Commit, Expect, Write},
    cache::Cache,
    conformance,
};
use archgen_spec::sharding::slot_of;
use archgen_store::{
    EngineKind, NodeConfig, Place, StoreClient,
    replication::{Failover, Membership, Policy, Reads},
    run,
};
use serde_json::json;

const SHARDS: u16 = 8;

/// Three copies of which a majority must have every write.
const AGREED: Policy = Policy {
    copies: 3,
    acks: 2,
    reads: Reads::Confirmed,
    failover: Failover::Majority,
    demotes: true,
    lag_ms_max: 0,
    volatile: false,
};

struct Group {
    nodes: Vec<(Env, Task)>,
    client: Arc<StoreClient>,
}

fn address() -> Address {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Address::new("127.0.0.1", socket.local_addr().unwrap().port())
}

fn group(data: &Path, policy: Policy) -> Group {
    let members: Vec<Address> = (0..policy.copies).map(|_| address()).collect();
    let key = ServiceKey::new("test-key");
    let start = |me: usize| {
        let env = os::env(&format!("test-{me}"), &data.join(me.to_string()), Shutdown::default());
        let config = NodeConfig {
            place: Place::alone(&members[me], 4),
            store: "test".to_owned(),
            public_url: format!("http://{}", members[me]),
            address: members[me].clone(),
            key: key.clone(),
            engine: EngineKind::Log,
            nodes: members.len(),
            topics: BTreeMap::from([("message".to_owned(), 4)]),
            membership: Some(Membership { me, members: members.clone(), policy }),
        };
        let its_env = env.clone();
        let task = env.spawn("node", async move { run(its_env, config).await.unwrap() });
        (env, task)
    };
    let nodes = (0..members.len()).map(start).collect();
    let env = os::env("client", data, Shutdown::default());
    let client = Arc::new(StoreClient::copied(&env, members, key, SHARDS, Some(policy)));
    Group { nodes, client }
}

/// Until it works, within the time that a group takes to elect a leader several times.
async fn until<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(attempt: impl Fn() -> F) -> T {
    let tries = async {
        loop {
            if let Ok(value) = attempt().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tries).await.expect("the group answers")
}

fn write(key: &str) -> Vec<Write> {
    let value = Some(json!({ "name": key }));
    vec![Write { table: "users".to_owned(), key: key.to_owned(), expect: Expect::Any, value }]
}

#[tokio::test]
async fn a_group_keeps_the_ports_promises_and_an_acknowledged_write_survives_its_leader() {
    let data = tempfile::tempdir().unwrap();
    let mut group = group(data.path(), AGREED);
    until(|| group.client.commit(write("first"))).await;
    let gone = vec![Write { value: None, ..write("first").remove(0) }];
    until(|| group.client.commit(gone.clone())).await;
    let client = group.client.clone();
    let channel = ChannelId::from("4711");
    let shard = slot_of(channel.0.as_bytes(), SHARDS);
    let outcome = async {
        conformance::accounts(&*client).await?;
        conformance::documents(&*client).await?;
        conformance::messages(&*client, &channel, shard).await?;
        conformance::events(client.clone(), "message", |task| drop(tokio::spawn(task))).await?;
        conformance::index(&*client, async || ()).await
    };
    outcome.await.unwrap_or_else(|violation| panic!("{violation}"));
    assert!(matches!(group.client.commit(write("last")).await, Ok(Commit::Applied)));
    // The first of a new group leads it.
    let (leader, task) = group.nodes.remove(0);
    leader.shutdown().trigger("test");
    assert!(task.join().await, "the node ended well");
    let row = until(|| Accounts::get(&*group.client, "users", "last")).await;
    assert_eq!(row.expect("an acknowledged write is there").value["name"], "last");
    until(|| group.client.commit(write("after"))).await;
    // Of three, one alone may neither write nor read.
    let (second, task) = group.nodes.remove(0);
    second.shutdown().trigger("test");
    assert!(task.join().await, "the node ended well");
    assert!(group.client.commit(write("alone")).await.is_err());
    let read = async {
        while Accounts::get(&*group.client, "users", "last").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("a minority stops answering");
}

#[tokio::test]
async fn a_cache_is_taken_over_by_the_copy_that_hears_of_no_leader() {
    let data = tempfile::tempdir().unwrap();
    let failover = Failover::Promotion;
    let policy = Policy { copies: 2, acks: 1, reads: Reads::Leader, failover, volatile: true, ..AGREED };
    let mut group = group(data.path(), policy);
    until(|| group.client.set("key", "value".into(), 60_000)).await;
    let kept = conformance::cache(&*group.client, async |ms| tokio::time::sleep(Duration::from_millis(ms)).await).await;
    kept.unwrap_or_else(|violation| panic!("{violation}"));
    until(|| group.client.set("key", "value".into(), 60_000)).await;
    let (leader, task) = group.nodes.remove(0);
    leader.shutdown().trigger("test");
    assert!(task.join().await, "the node ended well");
    until(|| group.client.set("other", "value".into(), 60_000)).await;
    assert_eq!(until(|| Cache::get(&*group.client, "other")).await.as_deref(), Some(b"value".as_slice()));
}
