//! Calls on the terms of the spec: how long, how often, and on whose time; against servers on loopback that are slow or away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use archgen_env::{
    deadline,
    http::{Client, ClientError, Limits, Problem, ServerLimits},
    net::Address,
};
use archgen_ports::ServiceKey;
use axum::{Router, extract::State, routing::any};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use super::{HostContext, Peers, Terms};
use crate::identity::tests::{free_address, listening, peers, start, test_env};

/// Longer than any test: who waits for it waits in vain.
const NEVER: Duration = Duration::from_secs(600);

/// An instance that counts what reaches it: `/slow` is never answered, `/broken` with an error of its own.
async fn instance(calls: &Arc<AtomicUsize>) -> Address {
    let slow = |State(calls): State<Arc<AtomicUsize>>| async move {
        calls.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
    };
    let broken = |State(calls): State<Arc<AtomicUsize>>| async move {
        calls.fetch_add(1, Ordering::SeqCst);
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let routes = Router::new().route("/slow", any(slow)).route("/broken", any(broken)).with_state(calls.clone());
    let address = free_address();
    start(&test_env("slow-1"), &address, routes).await;
    address
}

fn terms(timeout: Duration, retries: Option<u32>) -> Terms {
    Terms { timeout: Some(timeout), retries }
}

async fn ask(peers: &Peers, path: &str) -> ClientError {
    peers.call(Method::GET, path, &()).await.unwrap_err()
}

#[tokio::test]
async fn a_call_is_tried_as_often_as_the_spec_says() {
    let calls = Arc::new(AtomicUsize::new(0));
    let env = test_env("caller-1");
    let two = [instance(&calls).await, instance(&calls).await];
    for (retries, reached) in [(Some(0), 1), (Some(1), 2), (Some(3), 4), (None, 2)] {
        for path in ["/slow", "/broken"] {
            calls.store(0, Ordering::SeqCst);
            let peers = peers(&env, "slow", &two).on(terms(Duration::from_millis(300), retries));
            let error = ask(&peers, path).await;
            if path == "/slow" {
                assert!(matches!(error, ClientError::Deadline(_, 300)), "{error}");
            }
            assert_eq!(calls.load(Ordering::SeqCst), reached, "{path} with {retries:?} retries");
        }
    }
}

#[tokio::test]
async fn who_cannot_be_reached_was_not_tried() {
    let calls = Arc::new(AtomicUsize::new(0));
    let env = test_env("caller-1");
    let some = [free_address(), instance(&calls).await, free_address()];
    // Whichever is first in turn: the one that is there is found without a retry, and nothing is tried after it.
    for _ in 0..3 {
        calls.store(0, Ordering::SeqCst);
        let peers = peers(&env, "slow", &some).on(terms(NEVER, Some(0)));
        let error = ask(&peers, "/broken").await;
        assert!(matches!(&error, ClientError::Connection(_, why) if why == "status 500"), "{error}");
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
    let nobody = peers(&env, "slow", &[free_address(), free_address()]).on(terms(NEVER, Some(10)));
    assert!(matches!(ask(&nobody, "/broken").await, ClientError::Unreachable(..)));
    let none = peers(&env, "slow", &[]).on(terms(NEVER, Some(10)));
    assert!(matches!(ask(&none, "/broken").await, ClientError::Unreachable(..)));
}

#[tokio::test]
async fn nothing_is_tried_on_time_that_is_over() {
    let calls = Arc::new(AtomicUsize::new(0));
    let peers = peers(&test_env("caller-1"), "slow", &[instance(&calls).await]).on(terms(NEVER, Some(9)));
    let until = Instant::now() + Duration::from_millis(100);
    // Ten tries of ten minutes each, for work that has a tenth of a second.
    let outcome = deadline::scope(until, ask(&peers, "/slow")).await;
    assert!(matches!(outcome, Err(_) | Ok(ClientError::Deadline(..))), "{outcome:?}");
    assert!(calls.load(Ordering::SeqCst) <= 1);
}

#[tokio::test]
async fn a_service_gives_up_what_it_has_not_answered_in_time() {
    let (calls, env) = (Arc::new(AtomicUsize::new(0)), test_env("service-1"));
    let peers = peers(&env, "slow", &[instance(&calls).await]).on(terms(NEVER, None));
    let (tell, mut told) = tokio::sync::watch::channel(0);
    /// Says when the work is dropped.
    struct Dropped(tokio::sync::watch::Sender<u32>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send_modify(|times| *times += 1);
        }
    }
    let asks = move || {
        let (peers, dropped) = (peers.clone(), Dropped(tell.clone()));
        async move {
            let _dropped = dropped;
            // A caller that would wait for ten minutes asks somebody who never answers.
            let outcome = peers.call(Method::GET, "/slow", &()).await;
            drop(outcome);
            std::future::pending::<StatusCode>().await
        }
    };
    let routes = Router::new().route("/quick", any(|| async { "done" })).route("/asks", any(asks));
    let address = free_address();
    let key = ServiceKey::new("fleet");
    let mut context = HostContext::new(env.clone(), "service", 0, 1, "local", address.clone(), key, None);
    context.timeout = Some(Duration::from_millis(500));
    let limits = ServerLimits { drain_ms_max: 50, ..ServerLimits::default() };
    env.spawn("service", async move { context.serve(routes, limits).await.unwrap() });
    listening(&env, &address).await;
    let client = Client::new(&env, Limits { call_ms_max: 60_000, ..Limits::default() });
    let late = client.get(&address, "/asks", HeaderMap::new()).await.unwrap();
    let problem: Problem = late.json().unwrap();
    assert_eq!((late.status, problem.code.as_str()), (StatusCode::GATEWAY_TIMEOUT, "timeout"));
    told.wait_for(|times| *times == 1).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(client.get(&address, "/quick", HeaderMap::new()).await.unwrap().status, StatusCode::OK);
}
