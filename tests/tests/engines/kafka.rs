//! Events on Kafka.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_backends::{Backend, Engine, FaultKind, Target};
use archgen_env::Env;
use archgen_ports::{Envelope, conformance, events::Events};
use serde_json::json;

use crate::{
    fidelity,
    load::Account,
    server::{Private, endpoints, env, generated, namespace, open, target, topology},
};

fn spec(copies: usize, namespace: &str, partitions: usize) -> String {
    let in_sync = copies.div_ceil(2);
    format!(
        "archgen: v1
name: {namespace}
services: {{ messaging: {{ port: 9200, publishes: [events.message] }} }}
stores:
  events:
    kind: kafka
    version: \"3.7\"
    brokers: {copies}
    topics: {{ message: {{ partitions: {partitions}, replicas: {copies}, min_insync: {in_sync}, retain: 7d }} }}
"
    )
}

fn at(endpoints: &[String], copies: usize, namespace: &str, partitions: usize) -> Target {
    let topics = generated(&topology(&spec(copies, namespace, partitions)), "kafka/events/topics.json");
    target(Engine::Kafka, endpoints, namespace, topics)
}

/// A target with topics of its own.
pub fn fresh(env: &Env, endpoints: &[String], copies: usize) -> Target {
    at(endpoints, copies, &namespace(env), 4)
}

pub fn events(backend: &Arc<dyn Backend>) -> Arc<dyn Events> {
    backend.ports().events.expect("events")
}

#[tokio::test]
async fn events_keep_the_port_s_promises() {
    let env = env();
    let backend = open(&env, fresh(&env, &endpoints("kafka"), 1));
    let server = backend.prepare().await.expect("topics");
    assert_eq!(server, backend.check().await.expect("the same"), "who made them finds them");
    conformance::events(events(&backend), "message", |task| drop(tokio::spawn(task))).await.expect("every promise");
    // It tells no version: that of `tests/backends/kafka/install`.
    fidelity::record("events", "Kafka 4.4");
}

#[tokio::test]
async fn a_group_s_offset_outlives_its_process() {
    let env = env();
    let target = fresh(&env, &endpoints("kafka"), 1);
    let first = open(&env, target.clone());
    first.prepare().await.expect("topics");
    events(&first).commit("search", "message", 2, 41).await.expect("a commit");
    drop(first);
    let second = events(&open(&env, target));
    assert_eq!(second.committed("search", "message", 2).await.expect("an offset"), 41);
}

#[tokio::test]
async fn what_is_wrong_with_the_brokers_or_their_topics_is_said() {
    let env = env();
    let nobody = open(&env, fresh(&env, &["127.0.0.1:1".to_owned()], 1));
    let fault = nobody.prepare().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Unreachable(_)), "{fault}");
    assert!(fault.to_string().contains("store `store` (Kafka at 127.0.0.1:1)"), "{fault}");
    let foreign = open(&env, fresh(&env, &endpoints("cassandra"), 1)).prepare().await.unwrap_err();
    println!("foreign server: {foreign}");
    let (place, name) = (endpoints("kafka"), namespace(&env));
    open(&env, at(&place, 1, &name, 2)).prepare().await.expect("topics");
    let more = open(&env, at(&place, 1, &name, 8));
    for fault in [more.prepare().await.unwrap_err(), more.check().await.unwrap_err()] {
        assert!(fault.to_string().contains("has 2 partitions, fewer than the 8 that are declared"), "{fault}");
    }
    let fault = open(&env, fresh(&env, &place, 3)).prepare().await.unwrap_err();
    assert!(fault.to_string().contains("more copies than there are brokers"), "{fault}");
    let unknown = events(&more).partitions("nowhere").await.unwrap_err();
    assert!(unknown.is_refusal(), "{unknown}");
}

/// Publishes one key's events until the load is over, each until it is acknowledged; the acknowledged ones.
pub async fn publish(port: Arc<dyn Events>, key: String, account: Arc<Account>) -> BTreeSet<String> {
    let mut acked = BTreeSet::new();
    while !account.is_over() {
        let (number, begun) = (acked.len() as u64, Instant::now());
        let event_id = format!("{key}:{number}");
        while !account.is_over() {
            let event = Envelope {
                v: 1,
                event_id: event_id.clone(),
                kind: "test".to_owned(),
                key: key.clone(),
                epoch: None,
                seq: Some(number),
                ts: number,
                actor: String::new(),
                data: json!({}),
            };
            match port.publish("message", vec![event]).await {
                Ok(()) => {
                    acked.insert(event_id.clone());
                    account.ack(begun.elapsed());
                    break;
                }
                Err(error) => {
                    account.failed(&error);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    acked
}

/// Every acknowledged event is there, and each key's events first appear in their order.
pub async fn check(port: &dyn Events, acked: &BTreeSet<String>) {
    let mut found = BTreeSet::new();
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    // What a partition gave: each first and last offset of what stands there without a gap.
    let mut given: Vec<(u16, u64, u64)> = Vec::new();
    for partition in 0..port.partitions("message").await.expect("partitions") {
        let mut offset = 0;
        loop {
            let records = port.fetch("message", partition, offset, 500, 0).await.expect("records");
            let Some(last) = records.last() else { break };
            offset = last.offset + 1;
            for record in records {
                match given.last_mut().filter(|(of, _, last)| (*of, *last + 1) == (partition, record.offset)) {
                    Some((_, _, last)) => *last = record.offset,
                    None => given.push((partition, record.offset, record.offset)),
                }
                let number = record.event.seq.unwrap();
                if found.insert(record.event.event_id.clone()) {
                    let key = &record.event.key;
                    let expected = newest.get(key).map_or(0, |n| n + 1);
                    assert_eq!(
                        number, expected,
                        "events of {key} first appear in order: partition {partition}, offset {}; partitions and their \
                         offsets until then: {given:?}",
                        record.offset
                    );
                    newest.insert(record.event.key, number);
                }
            }
        }
    }
    let lost: Vec<&String> = acked.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}; partitions and their offsets: {given:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_broker_is_killed_or_stopped() {
    let env = env();
    let server = Private::start("kafka");
    let backend = open(&env, fresh(&env, &server.endpoints(), 1));
    backend.prepare().await.expect("topics");
    let port = events(&backend);
    let account = Arc::new(Account::default());
    let writers: Vec<_> =
        (0..4).map(|n| tokio::spawn(publish(port.clone(), format!("k{n}"), account.clone()))).collect();
    account.more(400).await;
    server.signal(1, "KILL");
    let killed = Instant::now();
    server.restart();
    let ready = killed.elapsed();
    account.more(1).await;
    println!("kafka killed: ready after {ready:?}, published to again after {:?}", killed.elapsed());
    account.more(100).await;
    server.signal(1, "STOP");
    let stopped = Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    server.signal(1, "CONT");
    account.more(1).await;
    println!("kafka stopped for 4 s: published to again after {:?}", stopped.elapsed());
    account.more(100).await;
    account.stop();
    println!("kafka: {}", account.text());
    let mut acked = BTreeSet::new();
    for writer in writers {
        acked.extend(writer.await.expect("a writer"));
    }
    check(&*port, &acked).await;
}
