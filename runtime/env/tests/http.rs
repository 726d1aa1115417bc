//! The HTTP client and server over the operating system's `Env`, on loopback.
#![expect(clippy::disallowed_methods, reason = "a test stands outside the hosts that it drives")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use archgen_env::{
    Env, deadline,
    http::{Client, ClientError, Limits, Probe, ServerLimits, serve},
    net::Address,
    os,
    task::Shutdown,
};
use axum::{Router, routing::get};
use http::HeaderMap;

/// An address that is free now.
fn free() -> Address {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Address::new("127.0.0.1", socket.local_addr().unwrap().port())
}

/// A server of these routes; returns when it listens.
async fn server(routes: Router, limits: ServerLimits) -> (Env, Address) {
    let env = os::env("test-1", &std::env::temp_dir(), Shutdown::default());
    let address = free();
    let (its_env, its_address) = (env.clone(), address.clone());
    env.spawn("server", async move { serve(&its_env, &its_address, routes, limits).await.unwrap() });
    while env.net().connect(&address).await.is_err() {
        tokio::task::yield_now().await;
    }
    (env, address)
}

fn hello() -> Router {
    Router::new().route("/hello", get(|| async { "hello" })).route("/large", get(|| async { "x".repeat(5_000) }))
}

#[tokio::test]
async fn answers_and_keeps_the_connection() {
    let (env, address) = server(hello(), ServerLimits::default()).await;
    let client = Client::new(&env, Limits::default());
    for _ in 0..3 {
        let reply = client.get(&address, "/hello", HeaderMap::new()).await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"hello"[..]));
    }
}

#[tokio::test]
async fn a_reply_above_the_limit_is_refused() {
    let (env, address) = server(hello(), ServerLimits::default()).await;
    let client = Client::new(&env, Limits { reply_bytes_max: 1_000, ..Limits::default() });
    let error = client.get(&address, "/large", HeaderMap::new()).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge(_, 1_000)), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_the_deadline() {
    let routes = Router::new().route("/never", get(std::future::pending::<()>));
    let (env, address) = server(routes, ServerLimits::default()).await;
    let client = Client::new(&env, Limits { call_ms_max: 50, ..Limits::default() });
    let error = client.get(&address, "/never", HeaderMap::new()).await.unwrap_err();
    assert!(matches!(error, ClientError::Deadline(_, 50)), "{error}");
}

#[tokio::test]
async fn nobody_listening_is_a_failed_connection() {
    let env = os::env("test-1", &std::env::temp_dir(), Shutdown::default());
    let error = Client::new(&env, Limits::default()).get(&free(), "/", HeaderMap::new()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(..)), "{error}");
}

#[tokio::test]
async fn a_call_ends_with_the_work_that_it_belongs_to() {
    let routes = Router::new().route("/never", get(std::future::pending::<()>));
    let (env, address) = server(routes, ServerLimits::default()).await;
    let client = Client::new(&env, Limits { call_ms_max: 60_000, ..Limits::default() });
    let until = tokio::time::Instant::now() + Duration::from_millis(80);
    // Whoever ends first: the call, told how long it had, or the work around it.
    let answer = deadline::scope(until, client.get(&address, "/never", HeaderMap::new())).await;
    assert!(matches!(&answer, Err(_) | Ok(Err(ClientError::Deadline(_, ..=80)))), "{answer:?}");
    assert!(tokio::time::Instant::now() >= until);
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_one_to_end() {
    let (env, address) = server(hello(), ServerLimits { connections_max: 1, ..ServerLimits::default() }).await;
    let first = env.net().connect(&address).await.unwrap();
    let client = Client::new(&env, Limits { call_ms_max: 100, ..Limits::default() });
    let waiting = client.get(&address, "/hello", HeaderMap::new()).await;
    assert!(matches!(waiting, Err(ClientError::Deadline(..))), "{waiting:?}");
    drop(first);
    let reply = client.with_deadline(5_000).get(&address, "/hello", HeaderMap::new()).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200);
}

#[tokio::test]
async fn the_order_to_stop_lets_running_requests_end() {
    let (begun, running) =
        (std::sync::Arc::new(tokio::sync::Notify::new()), std::sync::Arc::new(tokio::sync::Notify::new()));
    let (its_begun, its_running) = (begun.clone(), running.clone());
    let routes = Router::new().route(
        "/slow",
        get(move || async move {
            its_begun.notify_one();
            its_running.notified().await;
            "done"
        }),
    );
    let (env, address) = server(routes, ServerLimits::default()).await;
    let client = Client::new(&env, Limits::default());
    let call = tokio::spawn({
        let address = address.clone();
        async move { client.get(&address, "/slow", HeaderMap::new()).await }
    });
    begun.notified().await;
    env.shutdown().trigger("test");
    running.notify_one();
    assert_eq!(&call.await.unwrap().unwrap().body[..], b"done");
    let refused = tokio::time::timeout(Duration::from_secs(5), async {
        while env.net().connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    refused.await.expect("nobody listens after the drain");
}

#[tokio::test]
async fn the_probe_tells_health_readiness_and_metrics() {
    let probe = Probe::default();
    probe.counter("sends", "Messages sent").inc();
    let (env, address) = server(probe.routes(), ServerLimits::default()).await;
    let client = Client::new(&env, Limits::default());
    let status = |path: &'static str| {
        let (client, address) = (client.clone(), address.clone());
        async move { client.get(&address, path, HeaderMap::new()).await.unwrap() }
    };
    assert_eq!(status("/healthz").await.status.as_u16(), 200);
    assert_eq!(status("/readyz").await.status.as_u16(), 503);
    probe.set_ready(true);
    assert_eq!(status("/readyz").await.status.as_u16(), 200);
    let metrics = String::from_utf8(status("/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("archgen_sends_total 1"), "{metrics}");
}

#[tokio::test]
async fn a_malformed_request_is_answered_400_and_the_server_stays_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (env, address) = server(hello(), ServerLimits::default()).await;
    let mut stream = env.net().connect(&address).await.unwrap();
    stream.write_all(b"GET / HTTP/9.9\r\n\x00garbage\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    let reply = Client::new(&env, Limits::default()).get(&address, "/hello", HeaderMap::new()).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200);
}
