//! A store of three nodes becomes one of five and then of two while it is written to: every acknowledged entry is there once, in
//! order, wherever the mover, a giver or a taker died in between.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use archgen_ports::{
    ChannelId,
    messages::{Append, Appended, Counts, Messages, NewEntry, Range},
};
use archgen_spec::sharding::slot_of;
use archgen_store::{Journal, Order, Phase, PlacedClient};
use serde_json::json;
use tokio::{sync::watch, time::Instant};

use crate::store::Store;

const SHARDS: u16 = 16;
const CHANNELS: u64 = 24;

fn channel(number: u64) -> ChannelId {
    ChannelId::from(number.to_string().as_str())
}

/// Writes to every channel in turn until told to stop, and says how many entries were acknowledged so far; those, by channel, and the
/// slowest of them.
async fn write(
    client: PlacedClient,
    stop: Arc<AtomicBool>,
    acked: watch::Sender<u64>,
) -> (BTreeMap<u64, u64>, Duration) {
    let mut heads: BTreeMap<u64, u64> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    let mut serial = 0u64;
    while !stop.load(Ordering::Relaxed) {
        for number in 0..CHANNELS {
            serial += 1;
            let head = heads.get(&number).copied().unwrap_or(0);
            let entry = NewEntry {
                id: format!("m-{serial}").into(),
                kind: "message.created".to_owned(),
                author: "ada".into(),
                ts: serial,
                client_msg_id: Some(format!("c-{serial}")),
                data: json!({"body": format!("message {serial}")}),
                adds: Counts::default(),
                index: None,
                revises: None,
            };
            let channel = channel(number);
            let shard = slot_of(channel.0.as_bytes(), SHARDS);
            let begun = Instant::now();
            // A refusal did nothing, a lost answer may have: the same entry again, as a writer does.
            loop {
                let entries = vec![entry.clone()];
                let append = Append { shard, epoch: 1, channel: channel.clone(), head, dedup_ms: 60_000, entries };
                match client.append(append).await {
                    Ok(Appended::Applied(_)) => break,
                    Ok(Appended::HeadMoved { head: now }) if now == head + 1 => break,
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
            slowest = slowest.max(begun.elapsed());
            heads.insert(number, head + 1);
            acked.send_replace(serial);
        }
    }
    (heads, slowest)
}

/// Every log is dense, complete and readable by a client that knows nothing of any move.
async fn check(store: &Store, heads: &BTreeMap<u64, u64>) {
    let client = store.client();
    for (number, head) in heads {
        let mut after = 0;
        while after < *head {
            let entries = client.read(&channel(*number), Range::After(after), 500).await.unwrap();
            for entry in &entries {
                after += 1;
                assert_eq!(entry.position.seq, after, "channel {number} is dense");
            }
            assert!(!entries.is_empty(), "channel {number} ends at {after} of {head}");
        }
        assert!(client.read(&channel(*number), Range::After(*head), 10).await.unwrap().is_empty(), "nothing twice");
    }
    let all: Vec<ChannelId> = heads.keys().map(|n| channel(*n)).collect();
    let found = client.heads(&all).await.unwrap();
    assert_eq!(found.len(), heads.len());
    assert_eq!(client.by_id(&"m-1".into()).await.unwrap().map(|(c, _)| c), Some(channel(0)));
    assert_eq!(client.by_id(&"m-none".into()).await.unwrap(), None);
    let leases = client.lease("owner", "life", &(0..SHARDS).collect::<Vec<_>>(), 1_000).await.unwrap();
    assert_eq!(leases.len(), usize::from(SHARDS));
    assert_eq!(client.leases().await.unwrap().len(), usize::from(SHARDS));
    client.release("owner", "life", &(0..SHARDS).collect::<Vec<_>>()).await.unwrap();
}

fn silent(_: &Journal) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_become_five_then_two_under_load() {
    let mut store = Store::new(SHARDS);
    for node in 0..5 {
        store.start(node).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (acked, mut so_far) = watch::channel(0);
    let writer = tokio::spawn(write(store.client(), stop.clone(), acked));
    let journal = store.mover().begin(store.addresses.clone()).await.unwrap();
    // Sixteen shards on three nodes are 6, 5, 5; on five 4, 3, 3, 3, 3: two new nodes take six.
    assert_eq!(journal.moved, (0, 6));
    assert!(store.mover().begin(store.addresses[..2].to_vec()).await.is_err(), "another move is under way");
    let done = store.mover().go_on(&mut silent).await.unwrap();
    assert_eq!((done.moved, done.phase), ((6, 6), Phase::Done));
    let shrink = store.mover().begin(store.addresses[..2].to_vec()).await.unwrap();
    assert_eq!(shrink.moved, (0, 9), "what three nodes had");
    let shrunk = store.mover().go_on(&mut silent).await.unwrap();
    assert_eq!(shrunk.moved, (9, 9));
    println!("calls waited at most {} ms", done.waited_ms_max.max(shrunk.waited_ms_max));
    for node in 2..5 {
        store.stop(node).await;
    }
    // Without the nodes that left, every channel is written once more.
    let enough = *so_far.borrow_and_update() + 2 * CHANNELS;
    so_far.wait_for(|acked| *acked >= enough).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let (heads, slowest) = writer.await.unwrap();
    println!("{} entries, the slowest took {} ms", heads.values().sum::<u64>(), slowest.as_millis());
    assert!(heads.values().all(|head| *head > 2), "{heads:?}");
    check(&store, &heads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mover_that_dies_anywhere_is_taken_up_and_pause_and_rollback_hold() {
    let mut store = Store::new(SHARDS);
    for node in 0..5 {
        store.start(node).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(store.client(), stop.clone(), watch::channel(0).0));
    store.mover().begin(store.addresses.clone()).await.unwrap();
    for phase in [Phase::Copy, Phase::CatchUp, Phase::Verify, Phase::Switch] {
        // Dropped at the first step in that phase: nothing it holds in memory survives.
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
        let journal = store.mover().journal().await.unwrap().unwrap();
        println!("died in {phase:?}: {:?}, {} of {}", journal.phase, journal.moved.0, journal.moved.1);
    }
    // A giver and a taker are started again in the middle.
    store.stop(1).await;
    store.start(1).await;
    store.stop(4).await;
    store.start(4).await;
    store.mover().order(Order::Pause).await.unwrap();
    assert!(store.mover().go_on(&mut silent).await.unwrap().paused);
    store.mover().order(Order::Rollback).await.unwrap();
    let back = store.mover().go_on(&mut silent).await.unwrap();
    assert!(back.is_done() && back.rolling_back);
    assert!(store.mover().order(Order::Rollback).await.is_err(), "nothing is under way");
    for node in 3..5 {
        store.stop(node).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (heads, _) = writer.await.unwrap();
    check(&store, &heads).await;
    store.stop(0).await;
    store.start(0).await;
    check(&store, &heads).await;
}
