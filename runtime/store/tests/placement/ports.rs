//! What is no message moves, too: accounts, documents, events, an index, a cache and objects, all of them used meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use archgen_env::http::{Client, Limits, Reply};
use archgen_ports::{
    Envelope, StoreError,
    accounts::{Accounts, Commit, Expect, Write},
    blobs::{Blobs, Grant},
    cache::Cache,
    documents::{Documents, Put},
    events::Events,
    index::{Document, Index, Query},
};
use archgen_spec::sharding::SLOTS;
use archgen_store::{Journal, Order, Phase, PlacedClient};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use crate::store::Store;

/// Larger than what is brought over at once.
const LARGE_BYTES: usize = 5 << 20;
const COUNTERS: u64 = 5;

/// What one writer wrote: how many of each.
#[derive(Default)]
struct Wrote(BTreeMap<&'static str, u64>);

/// Uses a presigned URL as a browser does: it goes where it is sent.
async fn exchange(http: &Client, method: Method, url: &str, body: Bytes) -> Reply {
    let mut url = url.to_owned();
    for _ in 0..5 {
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let address = address.parse().unwrap();
        let reply = http.call(method.clone(), &address, &format!("/{path}"), HeaderMap::new(), body.clone()).await;
        let reply = reply.unwrap();
        if reply.status != StatusCode::TEMPORARY_REDIRECT {
            return reply;
        }
        url = reply.headers[header::LOCATION].to_str().unwrap().to_owned();
    }
    panic!("sent in a circle: {url}");
}

/// Again while it is refused; a refusal did nothing.
async fn until_done<T, F: Future<Output = Result<T, StoreError>>>(work: impl Fn() -> F) -> T {
    loop {
        match work().await {
            Ok(done) => return done,
            Err(StoreError::Refused(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(other) => panic!("nobody died, and yet: {other}"),
        }
    }
}

async fn accounts(client: &PlacedClient, n: u64) {
    let value = json!({"email": format!("{n}@example.test")});
    let write = Write { table: "users".to_owned(), key: format!("u{n}"), expect: Expect::Absent, value: Some(value) };
    assert_eq!(until_done(|| Accounts::commit(client, vec![write.clone()])).await, Commit::Applied);
}

async fn documents(client: &PlacedClient, n: u64) {
    let value = json!({"owner": format!("o{}", n % 3), "state": "ready", "n": n});
    let key = format!("{n:06}");
    let put = || Documents::put(client, "files", &key, Expect::Absent, Some(value.clone()));
    assert_eq!(until_done(put).await, Put::Applied(1));
    let all = until_done(|| Documents::find(client, "files", "state", "ready", None, true, 3)).await;
    let newest: Vec<String> = all.into_iter().map(|row| row.key).collect();
    let expected: Vec<String> = (0..=n).rev().take(3).map(|n| format!("{n:06}")).collect();
    assert_eq!(newest, expected, "who asks all nodes sees each document once");
}

async fn events(client: &PlacedClient, n: u64) {
    let event = |key: u64| Envelope {
        v: 1,
        event_id: format!("{n}-{key}"),
        kind: "test".to_owned(),
        key: format!("k{key}"),
        epoch: None,
        seq: Some(n),
        ts: n,
        actor: String::new(),
        data: json!({}),
    };
    // In one call what goes to several nodes: a refusal of some may follow the acceptance of others.
    for key in 0..4 {
        until_done(|| Events::publish(client, "message", vec![event(key)])).await;
    }
}

async fn index(client: &PlacedClient, n: u64) {
    let document = Document {
        id: format!("d{n}"),
        version: 1,
        text: format!("harbour number{n}"),
        keywords: BTreeMap::from([("channel".to_owned(), vec!["7".to_owned()])]),
        rank: n,
        stored: json!(n),
    };
    until_done(|| Index::put(client, "messages", vec![document.clone()])).await;
    let query = Query { words: vec!["harbour".to_owned()], limit: 2, ..Query::default() };
    let hits = until_done(|| Index::search(client, "messages", query.clone())).await;
    let ranks: Vec<u64> = hits.into_iter().map(|hit| hit.rank).collect();
    assert_eq!(ranks, (0..=n).rev().take(2).collect::<Vec<_>>(), "the newest, once each");
}

async fn cache(client: &PlacedClient, n: u64) {
    let key = format!("count{}", n % COUNTERS);
    let count = until_done(|| Cache::increment(client, &key, 1, 600_000)).await;
    assert_eq!(count, (n / COUNTERS + 1) as i64, "no increment is lost or made twice");
    let key = format!("v{n}");
    until_done(|| Cache::set(client, &key, Bytes::from(n.to_string()), 600_000)).await;
}

async fn objects(client: &PlacedClient, http: &Client, now_ms: u64, n: u64) {
    let size = if n % 12 == 11 { LARGE_BYTES } else { [0, 10, 100_000][n as usize % 3] };
    let body = Bytes::from(vec![n as u8; size]);
    let grant = Grant::Put { size_bytes: size as u64 };
    let key = format!("o{n}");
    let url = until_done(|| client.presign("files", &key, grant.clone(), now_ms + 600_000)).await;
    let reply = exchange(http, Method::PUT, &url, body).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", String::from_utf8_lossy(&reply.body));
    if n % 9 == 8 {
        until_done(|| Blobs::delete(client, "files", &key)).await;
    }
}

/// One writer of each port, until told to stop.
fn start(store: &Store, stop: &Arc<AtomicBool>, turns: &watch::Sender<u64>) -> JoinSet<(&'static str, u64)> {
    let mut writers = JoinSet::new();
    for port in ["accounts", "documents", "events", "index", "cache", "objects"] {
        let (client, env, stop, turns) = (store.client(), store.env("writer"), stop.clone(), turns.clone());
        writers.spawn(async move {
            let http = Client::new(&env, Limits::default());
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                match port {
                    "accounts" => accounts(&client, n).await,
                    "documents" => documents(&client, n).await,
                    "events" => events(&client, n).await,
                    "index" => index(&client, n).await,
                    "cache" => cache(&client, n).await,
                    _ => objects(&client, &http, env.wall_ms(), n).await,
                }
                n += 1;
                turns.send_modify(|turns| *turns += 1);
                // As much as one machine's disks and a test's patience take.
                tokio::time::sleep(Duration::from_millis(if port == "objects" { 40 } else { 4 })).await;
            }
            (port, n)
        });
    }
    writers
}

/// All that was written is there for somebody who knows nothing of any move.
async fn check(store: &Store, wrote: &Wrote) {
    let (client, env) = (store.client(), store.env("reader"));
    let http = Client::new(&env, Limits::default());
    let count = |port: &str| wrote.0[port];
    for n in 0..count("accounts") {
        let row = Accounts::get(&client, "users", &format!("u{n}")).await.unwrap();
        assert_eq!(row.unwrap().value["email"], json!(format!("{n}@example.test")));
    }
    let mut after: Option<String> = None;
    let mut keys = Vec::new();
    loop {
        let rows = Documents::find(&client, "files", "state", "ready", after.as_deref(), false, 50).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(last.key.clone());
        keys.extend(rows.into_iter().map(|row| row.key));
    }
    assert_eq!(keys, (0..count("documents")).map(|n| format!("{n:06}")).collect::<Vec<_>>());
    let mut seqs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for partition in 0..Events::partitions(&client, "message").await.unwrap() {
        let mut offset = 0;
        loop {
            let records = Events::fetch(&client, "message", partition, offset, 100, 0).await.unwrap();
            let Some(last) = records.last() else { break };
            assert_eq!(records[0].offset, offset, "offsets are dense");
            offset = last.offset + 1;
            records.into_iter().for_each(|r| seqs.entry(r.event.key).or_default().push(r.event.seq.unwrap()));
        }
    }
    assert_eq!(seqs.len(), 4);
    seqs.values().for_each(|seqs| assert_eq!(*seqs, (0..count("events")).collect::<Vec<_>>(), "in order, once"));
    let query = Query { words: vec!["harbour".to_owned()], limit: 1_000, ..Query::default() };
    let hits = Index::search(&client, "messages", query).await.unwrap();
    let found: BTreeSet<u64> = hits.iter().map(|hit| hit.rank).collect();
    assert_eq!((hits.len(), found.len()), (count("index").min(1_000) as usize, hits.len()));
    for n in 0..count("cache") {
        let value = Cache::get(&client, &format!("v{n}")).await.unwrap();
        assert_eq!(value, Some(Bytes::from(n.to_string())), "an entry of the cache");
    }
    let listed = Cache::keys(&client, "count", 100).await.unwrap();
    assert_eq!(listed.len() as u64, COUNTERS);
    for n in 0..count("objects") {
        let key = format!("o{n}");
        let info = client.info("files", &key).await.unwrap();
        assert_eq!(info.is_none(), n % 9 == 8, "object {n}");
        let Some(info) = info else { continue };
        let grant = Grant::Get { name: "o".to_owned(), media_type: "text/plain".to_owned() };
        let url = client.presign("files", &key, grant, env.wall_ms() + 60_000).await.unwrap();
        let reply = exchange(&http, Method::GET, &url, Bytes::new()).await;
        assert_eq!((reply.status.as_u16(), reply.body.len() as u64), (200, info.size_bytes));
        assert!(reply.body.iter().all(|byte| *byte == n as u8), "the bytes of object {n}");
    }
}

fn silent(_: &Journal) {}

/// Objects' files on each node.
fn files(store: &Store) -> Vec<usize> {
    let of = |node: usize| std::fs::read_dir(store.data(node).join("objects")).map_or(0, |files| files.count());
    (0..5).map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_port_s_data_move_while_they_are_used() {
    let mut store = Store::new(SLOTS);
    for node in 0..5 {
        store.start(node).await;
    }
    let (stop, (turns, mut so_far)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
    let mut writers = start(&store, &stop, &turns);
    so_far.wait_for(|turns| *turns > 200).await.unwrap();
    // 16,384 slots on three nodes are 5,462, 5,461, 5,461; on five 3,277 or one less: two new nodes take 6,553.
    assert_eq!(store.mover().begin(store.addresses.clone()).await.unwrap().moved, (0, 6_553));
    let grown = store.mover().go_on(&mut silent).await.unwrap();
    assert_eq!((grown.moved, grown.phase), ((6_553, 6_553), Phase::Done));
    let grown_files = files(&store);
    assert!(grown_files.iter().all(|files| *files > 0), "objects are on all nodes: {grown_files:?}");
    store.mover().begin(store.addresses[..2].to_vec()).await.unwrap();
    let shrunk = store.mover().go_on(&mut silent).await.unwrap();
    assert_eq!(shrunk.phase, Phase::Done);
    for node in 2..5 {
        store.stop(node).await;
    }
    let enough = *so_far.borrow_and_update() + 100;
    so_far.wait_for(|turns| *turns >= enough).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut wrote = Wrote::default();
    while let Some(written) = writers.join_next().await {
        let (port, n) = written.unwrap();
        wrote.0.insert(port, n);
    }
    println!("{:?}; calls waited at most {} ms", wrote.0, grown.waited_ms_max.max(shrunk.waited_ms_max));
    assert_eq!(files(&store)[2..], [0, 0, 0], "nothing stays behind");
    check(&store, &wrote).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_of_objects_is_taken_up_and_taken_back() {
    let mut store = Store::new(SLOTS);
    for node in 0..5 {
        store.start(node).await;
    }
    let (stop, (turns, mut so_far)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
    let mut writers = start(&store, &stop, &turns);
    so_far.wait_for(|turns| *turns > 150).await.unwrap();
    store.mover().begin(store.addresses.clone()).await.unwrap();
    for phase in [Phase::Copy, Phase::CatchUp, Phase::Verify, Phase::Switch] {
        let mover = store.mover();
        let (reached, at) = watch::channel(false);
        let mut told = |journal: &Journal| {
            if journal.phase == phase {
                reached.send_replace(true);
            }
        };
        let mut seen = at.clone();
        tokio::select! {
            biased;
            _ = seen.wait_for(|reached| *reached) => {}
            done = mover.go_on(&mut told) => drop(done.unwrap()),
        }
    }
    store.mover().order(Order::Rollback).await.unwrap();
    let back = store.mover().go_on(&mut silent).await.unwrap();
    assert!(back.is_done() && back.rolling_back);
    stop.store(true, Ordering::Relaxed);
    let mut wrote = Wrote::default();
    while let Some(written) = writers.join_next().await {
        let (port, n) = written.unwrap();
        wrote.0.insert(port, n);
    }
    assert_eq!(files(&store)[3..], [0, 0], "what was copied is gone again");
    check(&store, &wrote).await;
}
