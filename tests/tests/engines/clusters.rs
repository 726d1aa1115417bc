//! Three nodes: one may go, two may not, and nothing acknowledged is lost either way.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_ports::ChannelId;

use crate::{
    cassandra, kafka,
    load::{self, Account},
    server::{Private, env, open},
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
