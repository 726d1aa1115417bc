//! The registry over loopback: registration, blocking queries, expiry, HTTP checks, key-value pairs, several servers; and the
//! catalogue and Go durations as pure units.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use archgen_env::{Env, http::Client, http::Limits, http::Reply, net::Address};
use archgen_ports::ServiceKey;
use axum::{Router, routing::get};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{
    Config,
    catalog::Catalog,
    definition::{self, Status, duration},
    relay::Relay,
    run,
    state::{Data, State},
    wire::Node,
};
use crate::{
    host::{HostContext, Peer},
    identity::tests::{free_address, listening, start, test_env},
};

struct Server {
    address: Address,
    client: Client,
    env: Env,
}

impl Server {
    async fn new() -> Self {
        Self::at(free_address(), "registry-1", vec![], false).await
    }

    async fn at(address: Address, host: &str, others: Vec<Peer>, default_deny: bool) -> Self {
        let env = test_env(host);
        let key = ServiceKey::new("fleet");
        let context = HostContext::new(env.clone(), "registry", 0, 1, "local", address.clone(), key, None);
        let config = Config { datacenter: "eu".to_owned(), default_deny, others };
        env.spawn("registry", async move { run(context, config).await.unwrap() });
        listening(&env, &address).await;
        Self { address, client: Client::new(&env, Limits::default()), env }
    }

    async fn put(&self, path: &str, body: &Value) -> Reply {
        self.client.json(Method::PUT, &self.address, path, HeaderMap::new(), body).await.unwrap()
    }

    async fn get(&self, path: &str) -> Reply {
        self.client.get(&self.address, path, HeaderMap::new()).await.unwrap()
    }

    async fn ids(&self, path: &str) -> (u64, Vec<String>) {
        let reply = self.get(path).await;
        assert_eq!(reply.status, StatusCode::OK);
        let index = reply.headers["x-consul-index"].to_str().unwrap().parse().unwrap();
        let entries: Vec<Value> = reply.json().unwrap();
        let id = |e: &Value| e["Service"]["ID"].as_str().unwrap().to_owned();
        (index, entries.iter().map(id).collect())
    }

    /// Waits, by blocking queries, until the healthy instances are these.
    async fn until_healthy(&self, service: &str, ids: &[&str]) {
        let mut index = 0;
        loop {
            let path = format!("/v1/health/service/{service}?passing=1&index={index}&wait=10s");
            let (now, found) = self.ids(&path).await;
            if found == ids {
                return;
            }
            index = now;
        }
    }
}

fn chat(id: &str, ttl: &str) -> Value {
    json!({
        "ID": id, "Name": "chat", "Address": "10.0.0.1", "Port": 9_200, "Meta": {"Zone_Name": "eu-a"}, "Tags": ["v1"],
        "Check": {"TTL": ttl, "Status": "passing"},
    })
}

#[tokio::test]
async fn an_instance_is_listed_in_consuls_shapes() {
    let server = Server::new().await;
    assert_eq!(server.put("/v1/agent/service/register", &chat("chat-1", "10s")).await.status, StatusCode::OK);
    let health: Value = server.get("/v1/health/service/chat?passing").await.json().unwrap();
    assert_eq!(health[0]["Service"]["Port"], 9_200);
    assert_eq!(health[0]["Service"]["Meta"]["Zone_Name"], "eu-a");
    assert_eq!(health[0]["Node"]["Datacenter"], "eu");
    assert_eq!(health[0]["Checks"][0]["CheckID"], "service:chat-1");
    assert_eq!(health[0]["Checks"][0]["Status"], "passing");
    let listed: Value = server.get("/v1/catalog/service/chat").await.json().unwrap();
    assert_eq!(listed[0]["ServiceAddress"], "10.0.0.1");
    assert_eq!(server.get("/v1/catalog/services").await.json::<Value>().unwrap(), json!({"chat": ["v1"]}));
    assert_eq!(server.get("/v1/agent/services").await.json::<Value>().unwrap()["chat-1"]["Service"], "chat");
    assert_eq!(server.get("/v1/catalog/nodes").await.json::<Value>().unwrap()[0]["Node"], "registry-1");
    assert_eq!(server.get("/v1/agent/self").await.json::<Value>().unwrap()["Config"]["Datacenter"], "eu");
    assert_eq!(server.get("/v1/status/leader").await.json::<Value>().unwrap(), server.address.to_string());
    assert_eq!(server.put("/v1/agent/service/deregister/chat-1", &json!(null)).await.status, StatusCode::OK);
    assert_eq!(server.ids("/v1/health/service/chat").await.1, Vec::<String>::new());
}

#[tokio::test]
async fn lower_case_keys_register_too() {
    let server = Server::new().await;
    let body = json!({
        "name": "web", "id": "web-1", "address": "10.0.0.9", "port": 80, "tags": [],
        "check": {"ttl": "5s", "status": "passing", "deregister_critical_service_after": "1m"},
    });
    assert_eq!(server.put("/v1/agent/service/register", &body).await.status, StatusCode::OK);
    assert_eq!(server.ids("/v1/health/service/web?passing=true").await.1, ["web-1"]);
}

#[tokio::test]
async fn a_blocking_query_wakes_at_a_change_of_its_service_only() {
    let server = Server::new().await;
    server.put("/v1/agent/service/register", &chat("chat-1", "60s")).await;
    let (index, _) = server.ids("/v1/health/service/chat").await;
    let blocked = server.client.clone();
    let (address, done) = (server.address.clone(), Arc::new(AtomicBool::new(false)));
    let seen = done.clone();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    server.env.spawn("watcher", async move {
        let path = format!("/v1/health/service/chat?index={index}&wait=60s");
        let reply = blocked.with_deadline(60_000).get(&address, &path, HeaderMap::new()).await.unwrap();
        seen.store(true, Ordering::SeqCst);
        let _ = sender.send(reply);
    });
    // Another service changes, and time to answer passes in full exchanges: the watcher stays.
    for other in 0..20 {
        let body = json!({"Name": format!("other-{other}")});
        assert_eq!(server.put("/v1/agent/service/register", &body).await.status, StatusCode::OK);
    }
    assert!(!done.load(Ordering::SeqCst));
    server.put("/v1/agent/service/register", &chat("chat-2", "60s")).await;
    let reply = receiver.await.unwrap();
    let entries: Vec<Value> = reply.json().unwrap();
    assert_eq!(entries.len(), 2);
    let now: u64 = reply.headers["x-consul-index"].to_str().unwrap().parse().unwrap();
    assert!(now > index);
}

#[tokio::test]
async fn a_blocking_query_ends_with_its_wait() {
    let server = Server::new().await;
    let (index, _) = server.ids("/v1/health/service/nobody").await;
    let begun = Instant::now();
    let (now, ids) = server.ids(&format!("/v1/health/service/nobody?index={index}&wait=50ms")).await;
    assert_eq!((now, ids.len()), (index, 0));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    // An index from before a restart is answered at once.
    server.ids("/v1/health/service/nobody?index=7&wait=60s").await;
}

#[tokio::test]
async fn silence_beyond_the_ttl_removes_from_passing_and_a_sign_of_life_returns() {
    let server = Server::new().await;
    server.put("/v1/agent/service/register", &chat("chat-1", "60ms")).await;
    server.until_healthy("chat", &[]).await;
    let all: Value = server.get("/v1/health/service/chat").await.json().unwrap();
    assert_eq!(all[0]["Checks"][0]["Status"], "critical");
    assert_eq!(all[0]["Checks"][0]["Output"], "TTL expired");
    let body = json!({"Status": "passing", "Output": "back"});
    assert_eq!(server.put("/v1/agent/check/update/service:chat-1", &body).await.status, StatusCode::OK);
    let back: Value = server.get("/v1/health/service/chat").await.json().unwrap();
    assert_eq!(back[0]["Checks"][0]["Output"], "back");
}

#[tokio::test]
async fn http_checks_follow_the_instance() {
    let server = Server::new().await;
    let (env, well, address) = (test_env("web-1"), Arc::new(AtomicBool::new(true)), free_address());
    let health = well.clone();
    let answer = move || async move {
        if health.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    start(&env, &address, Router::new().route("/up", get(answer))).await;
    let body = json!({
        "ID": "web-1", "Name": "web", "Address": address.host, "Port": address.port,
        "Check": {"HTTP": format!("http://{address}/up"), "Interval": "100ms", "Timeout": "1s"},
    });
    assert_eq!(server.put("/v1/agent/service/register", &body).await.status, StatusCode::OK);
    server.until_healthy("web", &["web-1"]).await;
    well.store(false, Ordering::SeqCst);
    server.until_healthy("web", &[]).await;
    well.store(true, Ordering::SeqCst);
    server.until_healthy("web", &["web-1"]).await;
}

#[tokio::test]
async fn wrong_requests_are_refused_and_the_host_stays_up() {
    let server = Server::new().await;
    let cases = [
        ("/v1/agent/service/register", json!({}), StatusCode::BAD_REQUEST),
        ("/v1/agent/service/register", json!({"Name": ""}), StatusCode::BAD_REQUEST),
        ("/v1/agent/service/register", json!({"Name": "x", "Check": {"TTL": "soon"}}), StatusCode::BAD_REQUEST),
        ("/v1/agent/service/register", json!({"Name": "x", "Check": {}}), StatusCode::BAD_REQUEST),
        ("/v1/agent/service/register", json!({"Name": "x", "Check": {"HTTP": "https://x/"}}), StatusCode::BAD_REQUEST),
        ("/v1/agent/service/register", json!({"Name": "x".repeat(300)}), StatusCode::BAD_REQUEST),
        ("/v1/agent/service/deregister/nobody", json!(null), StatusCode::NOT_FOUND),
        ("/v1/agent/check/pass/service:nobody", json!(null), StatusCode::NOT_FOUND),
        ("/v1/agent/check/update/x", json!({"Status": "fine"}), StatusCode::BAD_REQUEST),
    ];
    for (path, body, expected) in cases {
        assert_eq!(server.put(path, &body).await.status, expected, "{path} {body}");
    }
    assert_eq!(server.get("/v1/health/service/x?index=many").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/v1/health/service/x?index=1&wait=long").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/v1/health/service/x?dc=us").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(server.get("/v1/status/leader").await.status, StatusCode::OK);
}

#[tokio::test]
async fn pairs_keep_versions() {
    let server = Server::new().await;
    assert!(server.put("/v1/kv/app/mode", &json!("on")).await.json::<bool>().unwrap());
    let pair: Value = server.get("/v1/kv/app/mode").await.json().unwrap();
    assert_eq!(pair[0]["Value"], "Im9uIg==");
    let version = pair[0]["ModifyIndex"].as_u64().unwrap();
    assert_eq!(&server.get("/v1/kv/app/mode?raw").await.body[..], b"\"on\"");
    let stale = server.put(&format!("/v1/kv/app/mode?cas={}", version + 1), &json!("off")).await;
    assert!(!stale.json::<bool>().unwrap());
    let fresh = server.put(&format!("/v1/kv/app/mode?cas={version}"), &json!("off")).await;
    assert!(fresh.json::<bool>().unwrap());
    assert_eq!(server.get("/v1/kv/app?keys").await.json::<Value>().unwrap(), json!(["app/mode"]));
    let gone = server.client.call(Method::DELETE, &server.address, "/v1/kv/app?recurse", HeaderMap::new(), "").await;
    assert_eq!(gone.unwrap().status, StatusCode::OK);
    assert_eq!(server.get("/v1/kv/app/mode").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_of_a_key_wakes_however_far_the_catalogue_has_come() {
    let env = test_env("registry-1");
    let node =
        Node { id: String::new(), name: "registry-1".to_owned(), address: String::new(), datacenter: "eu".to_owned() };
    let client = Client::new(&env, Limits::default());
    let state = State::new(env, client, node, None, Relay::default());
    for id in 0..5 {
        let body = json!({"Name": "chat", "ID": format!("chat-{id}")});
        state.register(definition::service(body.to_string().as_bytes(), "n").unwrap()).unwrap();
    }
    let look = |data: &Data| (data.pairs_index, data.pairs.raw("mode"));
    let (seen, _) = state.read(look);
    let mut watching = std::pin::pin!(state.wait(seen, Duration::from_secs(60), look));
    assert!(timeout(Duration::ZERO, watching.as_mut()).await.is_err());
    let put = |data: &mut Data, _| {
        data.pairs_index += 1;
        data.pairs.put("mode", "on".into(), 0, None, data.pairs_index)
    };
    assert!(state.change(put).unwrap());
    let (index, value) = timeout(Duration::ZERO, watching).await.expect("the watcher was not woken");
    assert_eq!((index, value.as_deref()), (seen + 1, Some(&b"on"[..])));
}

#[tokio::test]
async fn default_deny_refuses_writes_without_the_key() {
    let server = Server::at(free_address(), "registry-1", vec![], true).await;
    assert_eq!(server.put("/v1/agent/service/register", &chat("chat-1", "9s")).await.status, StatusCode::FORBIDDEN);
    let mut headers = HeaderMap::new();
    headers.insert("x-consul-token", HeaderValue::from_static("fleet"));
    let path = "/v1/agent/service/register";
    let with = server.client.json(Method::PUT, &server.address, path, headers, &chat("chat-1", "9s")).await.unwrap();
    assert_eq!(with.status, StatusCode::OK);
    assert_eq!(server.ids("/v1/health/service/chat?passing").await.1, ["chat-1"]);
}

#[tokio::test]
async fn servers_relay_and_a_restarted_one_learns_from_the_next_sign_of_life() {
    let (a, b) = (free_address(), free_address());
    let peer = |name: &str, address: &Address| vec![Peer { name: name.to_owned(), address: address.clone() }];
    let first = Server::at(a.clone(), "registry-1", peer("registry-2", &b), true).await;
    let mut headers = HeaderMap::new();
    headers.insert("x-consul-token", HeaderValue::from_static("fleet"));
    let say = |path: &'static str, body: Value| {
        let headers = headers.clone();
        let (client, a) = (first.client.clone(), a.clone());
        async move { client.json(Method::PUT, &a, path, headers, &body).await.unwrap().status }
    };
    // Said while the second server is not there.
    assert_eq!(say("/v1/agent/service/register", chat("chat-1", "60s")).await, StatusCode::OK);
    let second = Server::at(b, "registry-2", peer("registry-1", &a), true).await;
    assert_eq!(say("/v1/agent/check/pass/service:chat-1", json!(null)).await, StatusCode::OK);
    second.until_healthy("chat", &["chat-1"]).await;
    assert_eq!(say("/v1/agent/service/deregister/chat-1", json!(null)).await, StatusCode::OK);
    second.until_healthy("chat", &[]).await;
    // Pairs would need agreement.
    let mut headers = HeaderMap::new();
    headers.insert("x-consul-token", HeaderValue::from_static("fleet"));
    let refused = first.client.json(Method::PUT, &first.address, "/v1/kv/a", headers, &json!(1)).await.unwrap();
    assert_eq!(refused.status, StatusCode::NOT_IMPLEMENTED);
}

#[test]
fn go_durations() {
    let ms = |text: &str| duration(text).map(|d| d.as_millis()).ok();
    for (text, expected) in [
        ("10s", Some(10_000)),
        ("1m30s", Some(90_000)),
        ("250ms", Some(250)),
        ("1.5h", Some(5_400_000)),
        ("0s", Some(0)),
        ("", None),
        ("10", None),
        ("s", None),
        ("10 s", None),
        ("-5s", None),
        ("1.2.3s", None),
        ("5d", None),
    ] {
        assert_eq!(ms(text), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn durations_never_panic(text in "\\PC{0,40}") {
        let _ = duration(&text);
    }

    /// Whatever happens, indexes never run backwards, and a change of what is healthy is a change of the service's index.
    #[test]
    fn an_index_tells_every_change(steps in prop::collection::vec((0u8..4, 0u8..3, 0u64..200), 1..60)) {
        let (mut catalog, mut now) = (Catalog::new(100), Instant::now());
        let healthy = |c: &Catalog| -> Vec<String> {
            let ids = c.named("chat").map(|s| s.definition.id.clone());
            ids.filter(|id| c.health(id) == Status::Passing).collect()
        };
        for (what, who, ms) in steps {
            let before = (catalog.index(), catalog.index_of("chat"), healthy(&catalog));
            now += Duration::from_millis(ms);
            let id = format!("chat-{who}");
            match what {
                0 => {
                    let body = json!({"Name": "chat", "ID": id, "Check": {
                        "TTL": "100ms", "Status": "passing", "DeregisterCriticalServiceAfter": "300ms"}});
                    catalog.register(definition::service(body.to_string().as_bytes(), "n").unwrap(), now).unwrap();
                }
                1 => { let _ = catalog.told(&format!("service:{id}"), Status::Passing, "", now); }
                2 => { let _ = catalog.deregister(&id); }
                _ => catalog.expire(now),
            }
            prop_assert!(catalog.index() >= before.0);
            prop_assert!(catalog.index_of("chat") >= before.1);
            prop_assert!(healthy(&catalog) == before.2 || catalog.index_of("chat") > before.1);
            if what == 3 {
                prop_assert!(catalog.next_deadline().is_none_or(|at| at > now));
            }
        }
    }
}
