//! The gateway over loopback: callers, refusals, bounds, deadlines, cache, retry, discovery and the page.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use archgen_env::{
    Env,
    http::{Client, Limits, Problem, Reply, ServerLimits},
    net::Address,
};
use archgen_ports::{
    ServiceKey,
    cache::Cache,
    registry::{Instance, Registry},
};
use archgen_spec::topology::{self, Balance, GatewayAuth, RateLimit, Route, ServiceId};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::DefaultBodyLimit,
    routing::{any, get, post},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};

use super::{
    super::{Config, REVOKED, Upstream, run},
    doubles::{MemoryCache, Named},
};
use crate::{
    host::{HostContext, Peer},
    identity::{
        Revocations, TokenVerifier,
        tests::{Issuer, claims, free_address, listening, peers, start, test_env},
    },
};

pub(super) struct World {
    env: Env,
    client: Client,
    gateway: Address,
    issuer: Issuer,
    pub(super) served: Arc<AtomicUsize>,
    cache: Arc<MemoryCache>,
}

fn route(prefix: &str, to: usize, authenticated: bool) -> Route {
    Route {
        prefix: prefix.to_owned(),
        to: ServiceId(to),
        authenticated,
        balance: Balance::RoundRobin,
        micro_cache: None,
        body_bytes_max: 1_000,
        timeout: Duration::from_secs(10),
        retries: 1,
        limit: None,
    }
}

/// A service that says what reached it.
fn echo(name: &'static str, served: Arc<AtomicUsize>) -> Router {
    let seen = move |method: Method, headers: HeaderMap, body: Bytes| {
        served.fetch_add(1, Ordering::SeqCst);
        let text = |(n, v): (&http::HeaderName, &HeaderValue)| (n.to_string(), v.to_str().unwrap().to_owned());
        let headers: BTreeMap<String, String> = headers.iter().map(text).collect();
        let answer = json!({"by": name, "method": method.as_str(), "headers": headers, "bytes": body.len()});
        async move { ([("x-archgen-hint", "secret")], Json(answer)) }
    };
    Router::new()
        .route("/api/slow", any(std::future::pending::<()>))
        .route("/api/withheld", get(|| async { ([(header::CACHE_CONTROL, "no-store")], "now") }))
        .route(
            "/api/drip",
            get(|| async { Body::from_stream(futures_util::stream::pending::<Result<Bytes, axum::Error>>()) }),
        )
        .route("/api/sum", post(|body: Bytes| async move { body.len().to_string() }))
        .fallback(seen)
        .layer(DefaultBodyLimit::disable())
}

impl World {
    pub(super) async fn new(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::with_registry(None, adjust).await
    }

    async fn with_registry(registry: Option<Arc<dyn Registry>>, adjust: impl FnOnce(&mut Config)) -> Self {
        let (env, issuer, served) = (test_env("gateway-1"), Issuer::new(7), Arc::new(AtomicUsize::new(0)));
        let (gateway, user, chat) = (free_address(), free_address(), free_address());
        let keys = json!({"keys": [issuer.published()]});
        let routes = Router::new().route("/oauth2/jwks", get(move || async move { Json(keys) }));
        start(&env, &user, routes.fallback_service(echo("user-1", served.clone()))).await;
        start(&env, &chat, echo("chat-1", served.clone())).await;
        let verifier = TokenVerifier::new(env.clone(), peers(&env, "user", std::slice::from_ref(&user)), "chat");
        let upstream = |name: &str, address: &Address| Upstream {
            name: name.to_owned(),
            peers: vec![Peer { name: format!("{name}-1"), address: address.clone() }],
            fleet: true,
        };
        let cache = Arc::new(MemoryCache::default());
        let mut config = Config {
            name: "chat".to_owned(),
            gateway: topology::Gateway {
                version: (1, 22),
                embedded: true,
                managed: false,
                host: "chat.test".to_owned(),
                port: gateway.port,
                tls: None,
                replicas: 1,
                limit_per_ip: None,
                limit_per_token: None,
                connections_per_ip_max: None,
                auth: Some(GatewayAuth {
                    by: ServiceId(0),
                    cache: Duration::from_secs(1),
                    cache_denied: Duration::from_secs(1),
                }),
                cors: None,
                exporter_port: None,
                discovery: registry.is_some(),
                routes: vec![route("/oauth2", 0, false), route("/api", 1, true)],
            },
            services: vec![upstream("user", &user), upstream("chat", &chat)],
            cache: Some(cache.clone()),
            verifier: Some(verifier),
            revocations: Revocations::new(Some(cache.clone()), None),
            realtime: vec!["http://127.0.0.1:3000".to_owned()],
            server: ServerLimits { drain_ms_max: 50, ..ServerLimits::default() },
        };
        adjust(&mut config);
        let key = ServiceKey::new("fleet");
        let context = HostContext::new(env.clone(), "gateway", 0, 1, "local", gateway.clone(), key, registry);
        env.spawn("gateway", async move { run(context, config).await.unwrap() });
        listening(&env, &gateway).await;
        Self { client: Client::new(&env, Limits::default()), env, gateway, issuer, served, cache }
    }

    pub(super) fn token(&self) -> HeaderMap {
        let token = self.issuer.token(&claims(&self.env, "u-1"));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        headers
    }

    pub(super) async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: Vec<u8>) -> Reply {
        self.client.call(method, &self.gateway, path, headers, body).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str, headers: HeaderMap) -> Reply {
        self.send(Method::GET, path, headers, vec![]).await
    }

    /// Speaks raw HTTP, for what a well-behaved client would not send.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.env.net().connect(&self.gateway).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn code(reply: &Reply) -> (u16, String) {
    let problem: Problem = reply.json().unwrap();
    assert_eq!(problem.status, reply.status.as_u16());
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json");
    (problem.status, problem.code)
}

#[tokio::test]
async fn a_caller_is_introduced_and_its_claims_are_not_believed() {
    let world = World::new(|_| {}).await;
    let mut headers = world.token();
    headers.insert("x-auth-subject", HeaderValue::from_static("root"));
    headers.insert("x-archgen-service-key", HeaderValue::from_static("guess"));
    let reply = world.get("/api/things?x=1", headers).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(!reply.headers.contains_key("x-archgen-hint"));
    assert!(reply.headers.contains_key("x-request-id"));
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    let seen: Value = reply.json().unwrap();
    assert_eq!(seen["by"], "chat-1");
    assert_eq!(seen["headers"]["x-auth-subject"], "u-1");
    assert_eq!(seen["headers"]["x-auth-session"], "s-1");
    assert_eq!(seen["headers"]["x-archgen-service-key"], "fleet");
    assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["headers"].get("authorization"), None);
}

#[tokio::test]
async fn without_a_valid_token_a_guarded_route_is_closed_and_an_open_one_is_not() {
    let world = World::new(|_| {}).await;
    let none = world.get("/api/things", HeaderMap::new()).await;
    assert_eq!(code(&none), (401, "unauthenticated".to_owned()));
    assert_eq!(none.headers[header::WWW_AUTHENTICATE], "Bearer");
    let mut forged = HeaderMap::new();
    let token = Issuer { kid: world.issuer.kid.clone(), ..Issuer::new(9) }.token(&claims(&world.env, "u-1"));
    forged.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    let refused = world.get("/api/things", forged.clone()).await;
    assert_eq!(code(&refused), (401, "unauthenticated".to_owned()));
    assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
    assert_eq!(world.served.load(Ordering::SeqCst), 0);
    let open: Value = world.get("/oauth2/userinfo", forged).await.json().unwrap();
    assert_eq!(open["by"], "user-1");
    assert_eq!(open["headers"].get("x-auth-subject"), None);
    assert!(open["headers"].get("authorization").is_some());
    let known: Value = world.get("/oauth2/userinfo", world.token()).await.json().unwrap();
    assert_eq!(known["headers"]["x-auth-subject"], "u-1");
}

#[tokio::test]
async fn a_session_that_has_ended_is_refused_at_once() {
    let world = World::new(|_| {}).await;
    assert_eq!(world.get("/api/things", world.token()).await.status, StatusCode::OK);
    let told = serde_json::to_vec(&json!({"session": "s-1"})).unwrap();
    let post = async |headers: HeaderMap| {
        let mut headers = headers;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        world.send(Method::POST, REVOKED, headers, told.clone()).await.status
    };
    assert_eq!(post(world.token()).await, StatusCode::UNAUTHORIZED, "only the fleet says so");
    assert_eq!(world.get("/api/things", world.token()).await.status, StatusCode::OK);
    let mut fleet = HeaderMap::new();
    fleet.insert(ServiceKey::HEADER, HeaderValue::from_static("fleet"));
    assert_eq!(post(fleet).await, StatusCode::NO_CONTENT);
    // The token was accepted a moment ago and is still good by itself.
    assert_eq!(code(&world.get("/api/things", world.token()).await), (401, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn a_gateway_that_was_not_there_asks_the_cache() {
    let world = World::new(|_| {}).await;
    world.cache.set("revoked:s-1", Bytes::from_static(b"1"), 60_000).await.unwrap();
    assert_eq!(code(&world.get("/api/things", world.token()).await), (401, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn strange_paths_and_upgrades_are_refused() {
    let world = World::new(|_| {}).await;
    assert_eq!(code(&world.get("/nowhere", world.token()).await), (404, "not_found".to_owned()));
    for path in ["/api/../internal/send", "/api//x", "/api/%2e%2e/x", "/internal/send"] {
        assert_eq!(code(&world.get(path, world.token()).await), (400, "invalid_request".to_owned()), "{path}");
    }
    let mut upgrade = world.token();
    upgrade.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    upgrade.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    assert_eq!(code(&world.get("/api/socket", upgrade).await), (400, "upgrade_refused".to_owned()));
    assert_eq!(world.served.load(Ordering::SeqCst), 0);
    let garbage = world.raw("NOT HTTP AT ALL\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    assert_eq!(world.get("/healthz", HeaderMap::new()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn bodies_are_bounded_announced_or_not() {
    let world = World::new(|_| {}).await;
    let sent = world.send(Method::POST, "/api/sum", world.token(), vec![7; 1_000]).await;
    assert_eq!(&sent.body[..], b"1000");
    let refused = world.send(Method::POST, "/api/sum", world.token(), vec![7; 1_001]).await;
    assert_eq!(code(&refused), (413, "too_large".to_owned()));
    let token = world.token()[header::AUTHORIZATION].to_str().unwrap().to_owned();
    let chunks = format!("200\r\n{}\r\n", "x".repeat(0x200)).repeat(4);
    let answer = world
        .raw(&format!(
            "POST /api/sum HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {token}\r\n\
             transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_large_body_streams_both_ways() {
    let world = World::new(|c| c.gateway.routes[1].body_bytes_max = 32 << 20).await;
    let sent = world.send(Method::POST, "/api/sum", world.token(), vec![7; 20 << 20]).await;
    assert_eq!(&sent.body[..], (20 << 20).to_string().as_bytes());
}

#[tokio::test]
async fn limits_answer_429_with_a_time_to_come_back() {
    let limit = RateLimit { per_second: 0.01, burst: 1 };
    let world = World::new(|c| c.gateway.limit_per_ip = Some(limit)).await;
    let mut codes = vec![];
    for _ in 0..3 {
        codes.push(world.get("/config.json", HeaderMap::new()).await);
    }
    assert_eq!(codes[1].status, StatusCode::OK);
    assert_eq!(code(&codes[2]), (429, "rate_limited".to_owned()));
    assert!(codes[2].headers.contains_key(header::RETRY_AFTER));
    let world = World::new(|c| c.gateway.routes[0].limit = Some(limit)).await;
    for expected in [200, 200, 429] {
        assert_eq!(world.get("/oauth2/x", HeaderMap::new()).await.status.as_u16(), expected);
    }
    assert_eq!(world.get("/api/x", world.token()).await.status, StatusCode::OK);
    let world = World::new(|c| c.gateway.limit_per_token = Some(limit)).await;
    for expected in [200, 200, 429] {
        assert_eq!(world.get("/api/x", world.token()).await.status.as_u16(), expected);
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up() {
    let world = World::new(|c| c.gateway.routes[1].timeout = Duration::from_millis(60)).await;
    assert_eq!(code(&world.get("/api/slow", world.token()).await), (504, "timeout".to_owned()));
    // An answer that begins and does not end is cut off.
    let cut = world.client.get(&world.gateway, "/api/drip", world.token()).await;
    assert!(cut.is_err(), "{cut:?}");
}

#[tokio::test]
async fn answers_are_kept_per_caller_for_a_moment() {
    let world = World::new(|c| c.gateway.routes[1].micro_cache = Some(Duration::from_secs(60))).await;
    let mut sets = world.cache.1.subscribe();
    let first = world.get("/api/x", world.token()).await;
    assert_eq!(first.headers["x-cache"], "miss");
    sets.wait_for(|sets| *sets == 1).await.unwrap();
    let second = world.get("/api/x", world.token()).await;
    assert_eq!(second.headers["x-cache"], "hit");
    assert_eq!(second.body, first.body);
    assert_ne!(second.headers["x-request-id"], first.headers["x-request-id"]);
    assert_eq!(world.served.load(Ordering::SeqCst), 1);
    let mut other = HeaderMap::new();
    let token = world.issuer.token(&claims(&world.env, "u-2"));
    other.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    assert_eq!(world.get("/api/x", other).await.headers["x-cache"], "miss");
    for _ in 0..2 {
        assert_eq!(world.get("/api/withheld", world.token()).await.headers["x-cache"], "miss");
    }
    assert_eq!(world.get("/api/x", HeaderMap::new()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_dead_instance_costs_no_answer() {
    let world = World::new(|c| {
        let dead = Peer { name: "chat-0".to_owned(), address: free_address() };
        c.services[1].peers.push(dead);
    })
    .await;
    for _ in 0..6 {
        assert_eq!(world.get("/api/x", world.token()).await.status, StatusCode::OK);
        // The body of a request that found nobody is still whole, so this is safe to send again, too.
        let sent = world.send(Method::POST, "/api/sum", world.token(), vec![1; 10]).await;
        assert_eq!((sent.status, &sent.body[..]), (StatusCode::OK, &b"10"[..]));
    }
    // Two that are away beside the one that is there: the spec says how many others are tried.
    for (retries, found) in [(2, true), (0, false)] {
        let world = World::new(|c| {
            c.gateway.routes[1].retries = retries;
            let dead = |n: u32| Peer { name: format!("chat-{n}"), address: free_address() };
            c.services[1].peers.splice(0..0, [dead(8), dead(9)]);
        })
        .await;
        let mut answered = 0;
        for _ in 0..3 {
            answered += u32::from(world.get("/api/x", world.token()).await.status == StatusCode::OK);
        }
        assert_eq!(answered == 3, found, "{retries} retries: {answered} of 3");
    }
    let world = World::new(|c| c.services[1].peers[0].address = free_address()).await;
    let nobody = world.get("/api/x", world.token()).await;
    assert_eq!(code(&nobody), (503, "unavailable".to_owned()));
    assert!(nobody.headers.contains_key(header::RETRY_AFTER));
    let nobody = world.send(Method::POST, "/api/x", world.token(), vec![1]).await;
    assert_eq!(code(&nobody), (503, "unavailable".to_owned()));
}

#[tokio::test]
async fn discovery_follows_the_registry_and_outlives_its_silence() {
    let registry = Arc::new(Named(watch::channel((1, vec![])).0, watch::channel(0).0));
    let world = World::with_registry(Some(registry.clone()), |_| {}).await;
    let by = async || world.get("/api/x", world.token()).await.json::<Value>().unwrap()["by"].clone();
    // Nothing named yet: the spec's own list.
    let mut answers = registry.1.subscribe();
    answers.wait_for(|a| *a >= 2).await.unwrap();
    assert_eq!(by().await, "chat-1");
    let (second, served) = (free_address(), Arc::new(AtomicUsize::new(0)));
    start(&world.env, &second, echo("chat-2", served)).await;
    let instance =
        Instance { id: "chat-2".to_owned(), service: "chat".to_owned(), address: second, zone: "local".to_owned() };
    registry.0.send_replace((2, vec![instance]));
    while by().await != "chat-2" {}
    // The registry forgets everything: the last list stays.
    let given = *answers.borrow();
    registry.0.send_replace((3, vec![]));
    answers.wait_for(|a| *a >= given + 2).await.unwrap();
    for _ in 0..4 {
        assert_eq!(by().await, "chat-2");
    }
}

#[tokio::test]
async fn the_page_and_its_configuration_are_served() {
    let world = World::new(|_| {}).await;
    let page = world.get("/", HeaderMap::new()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("ws://127.0.0.1:3000"), "{policy}");
    for file in ["/app.js", "/socket.js", "/style.css"] {
        assert_eq!(world.get(file, HeaderMap::new()).await.status, StatusCode::OK, "{file}");
    }
    let config: Value = world.get("/config.json", HeaderMap::new()).await.json().unwrap();
    assert_eq!(config, json!({"name": "chat", "realtime": ["http://127.0.0.1:3000"]}));
    assert_eq!(world.send(Method::POST, "/", HeaderMap::new(), vec![]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_keys_the_gateway_says_later_not_never() {
    let world = World::new(|c| {
        let env = test_env("gateway-1");
        c.verifier = Some(TokenVerifier::new(env.clone(), peers(&env, "user", &[free_address()]), "chat"));
    })
    .await;
    assert_eq!(code(&world.get("/api/x", world.token()).await), (503, "unavailable".to_owned()));
}

#[tokio::test]
async fn a_client_has_so_many_requests_under_way() {
    let world = World::new(|c| c.gateway.connections_per_ip_max = Some(1)).await;
    let token = world.token()[header::AUTHORIZATION].to_str().unwrap().to_owned();
    let mut waiting = world.env.net().connect(&world.gateway).await.unwrap();
    let begun = format!("GET /api/drip HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\r\n");
    waiting.write_all(begun.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    waiting.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    assert_eq!(code(&world.get("/api/x", world.token()).await), (429, "rate_limited".to_owned()));
    drop(waiting);
    // The place is free once the gateway sees that the client is gone.
    while world.get("/api/x", world.token()).await.status != StatusCode::OK {}
}

#[tokio::test]
async fn tls_is_refused_rather_than_left_out() {
    let (env, address) = (test_env("gateway-1"), free_address());
    let mut config = None;
    World::new(|c| config = Some(c.clone())).await;
    let mut config = config.unwrap();
    config.gateway.tls = Some("tls".to_owned());
    let context = HostContext::new(env, "gateway", 0, 1, "local", address, ServiceKey::new("fleet"), None);
    let refused = run(context, config).await.unwrap_err();
    assert!(refused.to_string().contains("TLS"), "{refused}");
}
