//! Three nodes: one may go, two may not, and nothing acknowledged is lost either way.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_backends::{Credentials, Engine, Secret, Target};
use archgen_ports::ChannelId;
use bytes::Bytes;

use crate::{
    cassandra, consul, kafka,
    load::{self, Account},
    server::{Private, env, namespace, open, target},
};

/// Time in which nothing may be acknowledged while two of three are gone; what was under way before may still be.
const SILENCE: Duration = Duration::from_secs(6);

/// Kills one (it goes on), kills a second (nothing is acknowledged), brings both back; stops one and lets it go on.
async fn faults(name: &str, cluster: &Private, account: &Account) {
    account.more(100).await;
    cluster.signal(2, "KILL");
    let pause = account.more(100).await;
    println!("{name}, one of three killed: 100 more acknowledged within {pause:?}");
    cluster.signal(3, "KILL");
    // What was on its way when the second went may have been acknowledged by it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = account.acks();
    tokio::time::sleep(SILENCE).await;
    assert_eq!(account.acks(), before, "{name}: acknowledged by one of three");
    let back = Instant::now();
    cluster.restart_nodes(&[2, 3]);
    let ready = back.elapsed();
    account.more(1).await;
    println!("{name}, two of three killed: ready after {ready:?}, written to again after {:?}", back.elapsed());
    account.more(50).await;
    cluster.signal(1, "STOP");
    let pause = account.more(50).await;
    println!("{name}, one of three stopped: 50 more acknowledged within {pause:?}");
    cluster.signal(1, "CONT");
    account.more(50).await;
    account.stop();
    println!("{name}: {}", account.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn cassandra_goes_on_without_one_and_acknowledges_nothing_without_two() {
    let env = env();
    let cluster = Private::cluster("cassandra-cluster");
    let backend = open(&env, cassandra::fresh(&env, &cluster.endpoints(), 3));
    backend.prepare().await.expect("a schema");
    let port = cassandra::messages(&backend);
    let account = Arc::new(Account::default());
    let writers: Vec<_> = (0..6u16)
        .map(|n| (ChannelId(format!("c{n}")), n))
        .map(|(channel, n)| (channel.clone(), tokio::spawn(load::write(port.clone(), channel, n, account.clone()))))
        .collect();
    faults("cassandra", &cluster, &account).await;
    for (channel, writer) in writers {
        load::check(&*port, &channel, &writer.await.expect("a writer")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_goes_on_without_one_and_acknowledges_nothing_without_two() {
    let env = env();
    let cluster = Private::cluster("kafka-cluster");
    let backend = open(&env, kafka::fresh(&env, &cluster.endpoints(), 3));
    backend.prepare().await.expect("topics");
    let port = kafka::events(&backend);
    let account = Arc::new(Account::default());
    let writers: Vec<_> =
        (0..6).map(|n| tokio::spawn(kafka::publish(port.clone(), format!("k{n}"), account.clone()))).collect();
    faults("kafka", &cluster, &account).await;
    let mut acked = BTreeSet::new();
    for writer in writers {
        acked.extend(writer.await.expect("a writer"));
    }
    kafka::check(&*port, &acked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consul_goes_on_without_one_and_acknowledges_nothing_without_two() {
    let env = env();
    let cluster = Private::cluster("consul-cluster");
    let place = cluster.endpoints();
    // Each writer turns to another server first; one whose server is gone turns to the next.
    let ports: Vec<_> = (0..3)
        .map(|first| {
            let mut order = place.clone();
            order.rotate_left(first);
            consul::keys(&open(&env, consul::at("consul-cluster", &order)))
        })
        .collect();
    let account = Arc::new(Account::default());
    let writers = consul::load(&ports, &account);
    faults("consul", &cluster, &account).await;
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.expect("a writer"));
    }
    consul::check(&*ports[0], written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster_is_used_again_after_a_master_s_replica_took_over() {
    let env = env();
    let cluster = Private::cluster("redis-cluster");
    let user = Credentials { user: "default".to_owned(), password: Secret::new("archgen-test") };
    let plain = target(Engine::Redis, &cluster.endpoints(), &namespace(&env), String::new());
    let backend = open(&env, Target { credentials: Some(user), ..plain });
    println!("redis cluster: {}", backend.prepare().await.expect("a cluster").version);
    let port = backend.ports().cache.expect("a cache");
    let all: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
    for key in &all {
        port.set(key, Bytes::from("v"), 600_000).await.expect("a set");
    }
    cluster.signal(1, "KILL");
    let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
    for key in &all {
        loop {
            let asked = Instant::now();
            let set = port.set(key, Bytes::from("w"), 600_000).await;
            slowest = slowest.max(asked.elapsed());
            if set.is_ok() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no replica took over: {key}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!(
        "redis cluster, a master killed: every slot is used again after {:?}, slowest call {slowest:?}",
        begun.elapsed()
    );
    assert!(slowest < Duration::from_millis(1_500), "a call is given up soon: {slowest:?}");
    cluster.restart_nodes(&[1]);
    assert_eq!(port.get("k59").await.expect("an answer"), Some(Bytes::from("w")));
}
