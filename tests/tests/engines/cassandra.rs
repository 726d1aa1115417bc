//! Messages on Cassandra.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_backends::{Backend, Engine, FaultKind, Target, Tls};
use archgen_env::Env;
use archgen_ports::{
    ChannelId, StoreError, conformance,
    messages::{Append, Appended, Counts, Messages, NewEntry, Range},
};
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    fidelity,
    load::{Account, check, write},
    server::{Private, endpoints, env, generated, namespace, open, target, topology},
};

fn spec(copies: usize, namespace: &str, keep: &str) -> String {
    format!(
        "archgen: v1
name: {namespace}
services: {{ messaging: {{ port: 9200, needs: [chat.messages] }} }}
stores:
  chat:
    kind: cassandra
    version: \"4.1\"
    nodes: {copies}
    replication: {{ datacenter1: {copies} }}
    tables:
      messages: {{ partition: [channel_id bigint, bucket int], cluster: [message_id bigint desc], columns: {{ body: text }}, bucket: auto(100MB), ttl: {keep} }}
"
    )
}

fn at(endpoints: &[String], copies: usize, namespace: &str, keep: &str) -> Target {
    let schema = generated(&topology(&spec(copies, namespace, keep)), "cassandra/chat/schema.cql");
    target(Engine::Cassandra, endpoints, namespace, schema)
}

/// A target in a keyspace of its own.
pub fn fresh(env: &Env, endpoints: &[String], copies: usize) -> Target {
    at(endpoints, copies, &namespace(env), "90d")
}

pub fn messages(backend: &Arc<dyn Backend>) -> Arc<dyn Messages> {
    backend.ports().messages.expect("messages")
}

#[tokio::test]
async fn messages_keep_the_port_s_promises() {
    let env = env();
    let backend = open(&env, fresh(&env, &endpoints("cassandra"), 1));
    let server = backend.prepare().await.expect("a schema");
    let port = messages(&backend);
    let channel = ChannelId::from("4711");
    conformance::messages(&*port, &channel, 5).await.expect("every promise");
    fidelity::record("messages", &server.version);
}

fn entry(id: u64, client_id: Option<&str>) -> NewEntry {
    NewEntry {
        id: id.to_string().into(),
        kind: "message.created".to_owned(),
        author: "ada".into(),
        ts: id,
        client_msg_id: client_id.map(str::to_owned),
        data: json!({"body": id}),
        adds: Counts { messages: 1, everyone: 0 },
        index: None,
        revises: None,
    }
}

fn append(epoch: u64, head: u64, entries: Vec<NewEntry>) -> Append {
    Append { shard: 1, epoch, channel: "1".into(), head, dedup_ms: 3_600_000, entries }
}

/// Two processes: what one knows the other does not.
#[tokio::test]
async fn an_owner_that_lost_its_shard_writes_nothing_that_stands() {
    let env = env();
    let target = fresh(&env, &endpoints("cassandra"), 1);
    let (first, second) = (open(&env, target.clone()), open(&env, target));
    first.prepare().await.expect("a schema");
    let (old, new) = (messages(&first), messages(&second));
    let epoch = old.lease("one", "life", &[1], 1_000).await.unwrap()[0].epoch;
    assert!(matches!(old.append(append(epoch, 0, vec![entry(1, Some("a"))])).await.unwrap(), Appended::Applied(_)));
    assert_eq!(new.lease("two", "life", &[1], 1_000).await.unwrap()[0].owner, "one", "it is held");
    let taken = archgen_tests::until(Duration::from_secs(10), "its time is over", async || {
        let lease = new.lease("two", "life", &[1], 60_000).await.unwrap().remove(0);
        (lease.owner == "two").then_some(lease)
    });
    assert_eq!(taken.await.epoch, epoch + 1);
    let written = new.append(append(epoch + 1, 1, vec![entry(2, Some("b")), entry(3, Some("a"))])).await.unwrap();
    let Appended::Applied(outcomes) = written else { panic!("{written:?}") };
    assert_eq!(
        outcomes.iter().map(|o| (o.entry.position.seq, o.duplicate)).collect::<Vec<_>>(),
        [(2, false), (1, true)]
    );
    let late = old.append(append(epoch, 1, vec![entry(4, None)])).await.unwrap();
    assert_eq!(late, Appended::Fenced { epoch: epoch + 1 });
    let log = new.read(&"1".into(), Range::After(0), 10).await.unwrap();
    assert_eq!(log.iter().map(|e| e.id.as_str().to_owned()).collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn of_many_appends_at_one_head_one_applies() {
    let env = env();
    let backend = open(&env, fresh(&env, &endpoints("cassandra"), 1));
    backend.prepare().await.expect("a schema");
    let port = messages(&backend);
    let epoch = port.lease("one", "life", &[1], 60_000).await.unwrap()[0].epoch;
    let outcomes = join_all((1..=20).map(|n| port.append(append(epoch, 0, vec![entry(n, None)])))).await;
    let applied = outcomes.iter().filter(|o| matches!(o, Ok(Appended::Applied(_)))).count();
    let moved = outcomes.iter().filter(|o| matches!(o, Ok(Appended::HeadMoved { head: 1 }))).count();
    assert_eq!((applied, moved), (1, 19), "{outcomes:?}");
}

#[tokio::test]
async fn a_connection_that_cannot_be_encrypted_is_not_made_in_the_clear() {
    let plain = target(Engine::Cassandra, &["127.0.0.1:1".to_owned()], "x", String::new());
    let fault = open(&env(), Target { tls: Tls::System, ..plain }).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Encryption(_)), "{fault}");
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_said_with_its_place() {
    let env = env();
    let nobody = open(&env, fresh(&env, &["127.0.0.1:1".to_owned()], 1));
    let fault = nobody.prepare().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Unreachable(_)), "{fault}");
    assert!(fault.to_string().contains("store `store` (Cassandra at 127.0.0.1:1)"), "{fault}");
    let refused = messages(&nobody).leases().await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "nothing was sent: {refused}");
    let foreign = open(&env, fresh(&env, &endpoints("kafka"), 1)).prepare().await.unwrap_err();
    assert!(matches!(foreign.kind, FaultKind::Foreign(_) | FaultKind::Unreachable(_)), "{foreign}");
    println!("foreign server: {foreign}");
    let mut weak = fresh(&env, &endpoints("cassandra"), 1);
    weak.consistency = ("one", "quorum");
    let fault = open(&env, weak).prepare().await.unwrap_err();
    assert!(fault.to_string().contains("declare `quorum`"), "{fault}");
}

#[tokio::test]
async fn a_schema_is_made_once_by_two_who_come_at_once_and_another_s_is_refused() {
    let env = env();
    let (place, name) = (endpoints("cassandra"), namespace(&env));
    let target = at(&place, 1, &name, "90d");
    let starters = [open(&env, target.clone()), open(&env, target.clone())];
    for made in join_all(starters.iter().map(|starter| starter.prepare())).await {
        made.expect("one made it, the other waited");
    }
    let other = open(&env, at(&place, 1, &name, "30d"));
    for fault in [other.prepare().await.unwrap_err(), other.check().await.unwrap_err()] {
        assert!(fault.to_string().contains("was made from another spec"), "{fault}");
    }
    let elsewhere = open(&env, at(&place, 1, &namespace(&env), "90d"));
    let missing = elsewhere.check().await.unwrap_err();
    assert!(matches!(missing.kind, FaultKind::Namespace(_)), "{missing}");
    let foreign = Target { namespace: "system_auth".to_owned(), ..target };
    let fault = open(&env, foreign).prepare().await.unwrap_err();
    assert!(fault.to_string().contains("tables of somebody else"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_or_stopped() {
    let env = env();
    let server = Private::start("cassandra");
    let backend = open(&env, fresh(&env, &server.endpoints(), 1));
    backend.prepare().await.expect("a schema");
    let port = messages(&backend);
    let account = Arc::new(Account::default());
    let writers: Vec<_> = (0..4u16)
        .map(|n| (ChannelId(format!("c{n}")), n))
        .map(|(channel, n)| (channel.clone(), tokio::spawn(write(port.clone(), channel, n, account.clone()))))
        .collect();
    account.more(200).await;
    server.signal(1, "KILL");
    let killed = Instant::now();
    server.restart();
    let ready = killed.elapsed();
    account.more(1).await;
    println!("cassandra killed: ready after {ready:?}, written to again after {:?}", killed.elapsed());
    account.more(100).await;
    server.signal(1, "STOP");
    let stopped = Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    server.signal(1, "CONT");
    account.more(1).await;
    println!("cassandra stopped for 4 s: written to again after {:?}", stopped.elapsed());
    account.more(100).await;
    account.stop();
    println!("cassandra: {}", account.text());
    for (channel, writer) in writers {
        check(&*port, &channel, &writer.await.expect("a writer")).await;
    }
}
