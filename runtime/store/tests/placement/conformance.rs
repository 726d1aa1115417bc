//! The ports' conformance suites through the client that divides calls among nodes.

use std::{sync::Arc, time::Duration};

use archgen_env::http::{Client, Limits};
use archgen_ports::{ChannelId, StoreError, conformance};
use archgen_spec::sharding::{SLOTS, slot_of};
use archgen_store::PlacedClient;
use http::{HeaderValue, header};

use crate::store::Store;

/// A store on its three founders, and a client of it.
async fn founded(units: u16) -> (Store, Arc<PlacedClient>) {
    let mut store = Store::new(units);
    for node in 0..3 {
        store.start(node).await;
    }
    let client = Arc::new(store.client());
    (store, client)
}

/// Uses a presigned URL.
async fn send(http: &Client, exchange: conformance::Exchange) -> Result<(u16, bytes::Bytes), StoreError> {
    let (address, path) = exchange.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let range = exchange.range.map(|range| (header::RANGE, HeaderValue::from_static(range)));
    let (method, headers) = (exchange.method.parse().unwrap(), range.into_iter().collect());
    let reply = http.call(method, &address.parse().unwrap(), &format!("/{path}"), headers, exchange.body).await;
    reply.map(|reply| (reply.status.as_u16(), reply.body)).map_err(|e| StoreError::Indeterminate(e.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_keep_their_promises_on_every_node() {
    const SHARDS: u16 = 8;
    for node in 0..3 {
        let (_store, client) = founded(SHARDS).await;
        let shard_of = |n: &String| slot_of(n.as_bytes(), SHARDS);
        let channel = (1..).map(|n: u32| n.to_string()).find(|n| shard_of(n) % 3 == node).unwrap();
        let shard = shard_of(&channel);
        let outcome = conformance::messages(&*client, &ChannelId::from(channel.as_str()), shard).await;
        outcome.unwrap_or_else(|violation| panic!("on node {node}: {violation}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_port_keeps_its_promises_divided_among_nodes() {
    let (store, client) = founded(SLOTS).await;
    let env = store.env("suite");
    let http = Client::new(&env, Limits::default());
    let outcome = async {
        conformance::accounts(&*client).await?;
        conformance::documents(&*client).await?;
        conformance::events(client.clone(), "message", |task| drop(tokio::spawn(task))).await?;
        conformance::index(&*client, async || ()).await?;
        conformance::blobs(&*client, async |exchange| send(&http, exchange).await, env.wall_ms()).await?;
        conformance::cache(&*client, async |ms| tokio::time::sleep(Duration::from_millis(ms)).await).await
    };
    outcome.await.unwrap_or_else(|violation| panic!("{violation}"));
}
