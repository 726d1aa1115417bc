//! The client on the terms of the spec, against a node that is slow, refuses, or is away.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use archgen_env::{
    Env, deadline,
    http::{ServerLimits, serve},
    net::Address,
    os,
    task::Shutdown,
};
use archgen_ports::{
    ChannelId, ServiceKey, StoreError,
    accounts::Accounts,
    cache::Cache,
    index::{Document, Index},
    messages::Messages,
};
use archgen_spec::sharding::slot_of;
use axum::{Json, Router, http::StatusCode, response::IntoResponse, routing::post};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{PlacedClient, StoreClient};
use crate::Placement;

/// What a node does with the calls that reach it, in order; the last one for ever.
#[derive(Clone, Copy)]
enum Then {
    Silence,
    Status(u16),
    Nothing,
}

fn free() -> Address {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Address::new("127.0.0.1", socket.local_addr().unwrap().port())
}

/// A client of a node of this script, and how many calls reached it.
async fn node(script: &'static [Then]) -> (StoreClient, Arc<AtomicUsize>) {
    let env = env();
    let (address, calls) = scripted(&env, script).await;
    (client(&env, vec![address]), calls)
}

fn env() -> Env {
    os::env("caller-1", &std::env::temp_dir(), Shutdown::default())
}

/// A node of this script, and how many calls reached it.
async fn scripted(env: &Env, script: &'static [Then]) -> (Address, Arc<AtomicUsize>) {
    let (address, calls) = (free(), Arc::new(AtomicUsize::new(0)));
    let counted = calls.clone();
    let answer = move || {
        let at = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            match script[at.min(script.len() - 1)] {
                Then::Silence => std::future::pending().await,
                Then::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
                Then::Nothing => Json(Value::Null).into_response(),
            }
        }
    };
    let routes = Router::new().route("/store/{port}", post(answer));
    let (its, at) = (env.clone(), address.clone());
    let limits = ServerLimits { drain_ms_max: 50, ..ServerLimits::default() };
    env.spawn("node", async move { serve(&its, &at, routes, limits).await.unwrap() });
    while env.net().connect(&address).await.is_err() {
        tokio::task::yield_now().await;
    }
    (address, calls)
}

fn client(env: &Env, nodes: Vec<Address>) -> StoreClient {
    StoreClient::new(env, nodes, ServiceKey::new("fleet"), 1)
}

const SHORT: Option<Duration> = Some(Duration::from_millis(500));

#[tokio::test]
async fn an_answer_is_given_up_after_the_stores_own_time() {
    let (client, calls) = node(&[Then::Silence]).await;
    let client = client.on(SHORT, 0);
    let read = Accounts::get(&client, "accounts", "a").await.unwrap_err();
    // The unsaid patience is five times as long.
    let after_ms = |error: &StoreError| {
        assert!(matches!(error, StoreError::Indeterminate(_)), "{error}");
        let text = error.to_string();
        text.split_once("within ").and_then(|(_, after)| after.split(' ').next()?.parse::<u64>().ok())
    };
    assert!(after_ms(&read).is_some_and(|ms| ms <= 500), "{read}");
    let write = Cache::set(&client, "k", Bytes::new(), 1_000).await.unwrap_err();
    assert!(after_ms(&write).is_some_and(|ms| ms <= 500), "{write}");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn reads_are_tried_again_and_writes_are_not() {
    let (client, calls) = node(&[Then::Silence, Then::Status(500), Then::Status(503), Then::Nothing]).await;
    let client = client.on(SHORT, 3);
    assert_eq!(Cache::get(&client, "k").await.unwrap(), None);
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    let (client, calls) = node(&[Then::Status(500), Then::Nothing]).await;
    let client = client.on(SHORT, 3);
    let write = Cache::set(&client, "k", Bytes::new(), 1_000).await.unwrap_err();
    assert!(matches!(write, StoreError::Indeterminate(_)), "{write}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_oftener_than_the_spec_says_and_never_what_was_refused() {
    for (script, retries, reached) in [
        (&[Then::Status(500)], 0, 1),
        (&[Then::Status(500)], 2, 3),
        (&[Then::Status(400)], 5, 1),
        (&[Then::Status(503)], 1, 2),
    ] {
        let (client, calls) = node(script).await;
        client.on(SHORT, retries).leases().await.unwrap_err();
        assert_eq!(calls.load(Ordering::SeqCst), reached);
    }
}

#[tokio::test]
async fn work_whose_time_is_over_tries_nothing_more() {
    let (client, calls) = node(&[Then::Status(500)]).await;
    let client = client.on(Some(Duration::from_secs(600)), 1_000_000);
    let until = tokio::time::Instant::now() + Duration::from_millis(300);
    let outcome = deadline::scope(until, Cache::get(&client, "k")).await;
    assert!(matches!(outcome, Err(_) | Ok(Err(_))), "{outcome:?}");
    // 25, 50, 100 ms between the tries: not more than five fit.
    assert!(calls.load(Ordering::SeqCst) <= 5);
}

/// What a change of everything comes to over these nodes: documents of an index, and marks of readers.
async fn changes<C: Index + Messages>(client: &C) -> [Result<(), StoreError>; 2] {
    let document = |n: u64| Document {
        id: format!("d{n}"),
        version: 1,
        text: String::new(),
        keywords: BTreeMap::new(),
        rank: n,
        stored: Value::Null,
    };
    let put = Index::put(client, "messages", (0..40).map(document).collect()).await;
    let readers: Vec<String> = (0..40).map(|n| format!("u{n}")).collect();
    [put, client.note_mentions(&ChannelId::from("1"), 1, &readers).await]
}

#[tokio::test]
async fn a_change_of_which_a_part_was_applied_is_never_refused() {
    let env = env();
    let (willing, _) = scripted(&env, &[Then::Nothing]).await;
    let (unwilling, _) = scripted(&env, &[Then::Status(503)]).await;
    for other in [unwilling, free()] {
        for (nodes, in_part) in [
            (vec![willing.clone(), other.clone()], true),
            // Here nothing was done before the refusal.
            (vec![other.clone(), willing.clone()], false),
        ] {
            let placed = PlacedClient::new(&env, nodes.clone(), &ServiceKey::new("fleet"), 64);
            let all = [changes(&client(&env, nodes.clone())).await, changes(&placed).await];
            for outcome in all.into_iter().flatten() {
                let error = outcome.unwrap_err();
                assert_eq!(error.is_refusal(), !in_part, "{nodes:?}: {error}");
            }
        }
    }
}

/// A node that answers calls of the cache by this script of statuses, and knows this placement; how often it was asked for each.
async fn placed_node(
    env: &Env,
    address: &Address,
    script: &'static [u16],
    placement: Placement,
) -> [Arc<AtomicUsize>; 2] {
    let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let [calls, questions] = counts.clone();
    let version = placement.version;
    let cache = move || {
        let at = calls.fetch_add(1, Ordering::SeqCst);
        let status = StatusCode::from_u16(script[at.min(script.len() - 1)]).unwrap();
        let body = if status == StatusCode::OK { Value::Null } else { json!({ "version": version }) };
        async move { (status, Json(body)) }
    };
    let known = move || {
        questions.fetch_add(1, Ordering::SeqCst);
        let placement = placement.clone();
        async move { Json(placement) }
    };
    let routes = Router::new().route("/store/cache", post(cache)).route("/store/move", post(known));
    let (its, at) = (env.clone(), address.clone());
    env.spawn("node", async move { serve(&its, &at, routes, ServerLimits::default()).await.unwrap() });
    while env.net().connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
    counts
}

#[tokio::test]
async fn the_placement_is_asked_for_where_a_node_knows_a_newer_one_and_only_there() {
    let env = env();
    let (giver, taker) = (free(), free());
    let founded = Placement::founded(vec![giver.clone(), taker.clone()], 64);
    let all: Vec<u16> = (0..64).collect();
    let given = placed_node(&env, &giver, &[421], founded.with(&all, 1)).await;
    // The taker hears of it a little later.
    let taken = placed_node(&env, &taker, &[421, 421, 200], founded).await;
    let client = PlacedClient::new(&env, vec![giver, taker], &ServiceKey::new("fleet"), 64);
    let key = (0..).map(|n: u32| n.to_string()).find(|key| slot_of(key.as_bytes(), 64).is_multiple_of(2)).unwrap();
    assert_eq!(Cache::get(&client, &key).await.unwrap(), None);
    let counts = |counts: &[Arc<AtomicUsize>; 2]| counts.each_ref().map(|count| count.load(Ordering::SeqCst));
    assert_eq!((counts(&given), counts(&taken)), ([1, 1], [3, 0]));
}
