//! Bodies of long-polling POSTs, through the whole server on a paused clock: each is taken or refused, its session ends or goes on,
//! and another client is unharmed.
#![no_main]

use std::{path::Path, sync::Arc, time::Duration};

use archgen_env::{os, task::Shutdown};
use archgen_socketio::{
    Arguments, Config, ConnectError, Handler, Server, Socket,
    engine::{Open, RateLimit},
};
use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Method, Request},
};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower::ServiceExt;

struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn connect(&self, _: &Socket, _: Value) -> Result<(), ConnectError> {
        Ok(())
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: Arguments) -> Option<Arguments> {
        socket.emit(name, arguments.clone());
        Some(arguments)
    }

    async fn disconnect(&self, _: &Socket, _: &str) {}
}

async fn ask(routes: &Router, method: Method, sid: &str, body: &[u8]) -> (u16, String) {
    let uri = format!("/socket.io/?EIO=4&transport=polling{sid}");
    let request = Request::builder().method(method).uri(uri).body(Body::from(body.to_vec())).expect("a request");
    let answer = async {
        let Ok(response) = routes.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("answers are text"))
    };
    // No answer is right for a poll that has nothing to say.
    tokio::time::timeout(Duration::from_secs(1), answer).await.unwrap_or((0, String::new()))
}

async fn open(routes: &Router) -> String {
    let (status, body) = ask(routes, Method::GET, "", b"").await;
    assert_eq!(status, 200);
    let sid = format!("&sid={}", Open::decode(&body).expect("an open packet").sid);
    assert_eq!(ask(routes, Method::POST, &sid, b"40").await.0, 200);
    sid
}

async fn round(input: &[u8]) {
    let env = os::env("fuzz", Path::new("."), Shutdown::default());
    let config = Config {
        max_payload_bytes: 10_000,
        admission: RateLimit::NONE,
        messages: RateLimit::NONE,
        message_bytes: RateLimit::NONE,
        ..Config::default()
    };
    let server = Server::new(&env, config, Arc::new(Echo));
    let routes = server.router();
    let (other, sid) = (open(&routes).await, open(&routes).await);
    let (posted, _) = ask(&routes, Method::POST, &sid, input).await;
    assert!([200, 400, 413].contains(&posted), "{posted}");
    for _ in 0..4 {
        ask(&routes, Method::GET, &sid, b"").await;
    }
    assert_eq!(ask(&routes, Method::POST, &other, b"427[\"e\",1]").await.0, 200);
    let mut seen = String::new();
    while !seen.contains("437[1]") {
        seen.push_str(&ask(&routes, Method::GET, &other, b"").await.1);
    }
    server.shutdown("over").await;
}

fuzz_target!(|input: &[u8]| {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(round(input));
});
