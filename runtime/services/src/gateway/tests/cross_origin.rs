//! What browsers are told about pages of other origins.

use std::{sync::atomic::Ordering, time::Duration};

use archgen_spec::topology::Cors;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::loopback::World;

const LISTED: &str = "https://app.example.test";

fn cors(credentials: bool) -> Cors {
    Cors {
        any: false,
        origins: vec![LISTED.to_owned(), "http://localhost:5173".to_owned()],
        methods: vec!["GET".to_owned(), "POST".to_owned()],
        headers: vec!["Authorization".to_owned(), "Content-Type".to_owned()],
        credentials,
        max_age: Duration::from_secs(600),
    }
}

fn from(origin: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_str(origin).unwrap())])
}

fn preflight(origin: &str) -> HeaderMap {
    let mut headers = from(origin);
    headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
    headers
}

/// Every permission in an answer, as `name: value`.
fn permissions(headers: &HeaderMap) -> Vec<String> {
    let mut all: Vec<String> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("access-control-"))
        .map(|(name, value)| format!("{}: {}", &name.as_str()["access-control-".len()..], value.to_str().unwrap()))
        .collect();
    all.sort();
    all
}

fn varies(headers: &HeaderMap) -> bool {
    headers.get_all(header::VARY).iter().any(|v| v == "Origin")
}

#[tokio::test]
async fn a_listed_origin_is_told_what_it_may_and_no_service_is_asked() {
    let world = World::new(|c| c.gateway.cors = Some(cors(false))).await;
    // A path that asks for a token, one that does not, and one that leads nowhere: browsers ask without credentials.
    for path in ["/api/things", "/oauth2/token", "/nowhere"] {
        let reply = world.send(Method::OPTIONS, path, preflight(LISTED), vec![]).await;
        assert_eq!((reply.status, reply.body.len(), varies(&reply.headers)), (StatusCode::NO_CONTENT, 0, true));
        assert_eq!(
            permissions(&reply.headers),
            [
                "allow-headers: Authorization, Content-Type",
                "allow-methods: GET, POST",
                "allow-origin: https://app.example.test",
                "max-age: 600"
            ]
        );
    }
    assert_eq!(world.served.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn answers_and_refusals_can_be_read_by_listed_origins_only() {
    let world = World::new(|c| c.gateway.cors = Some(cors(true))).await;
    let with = |mut headers: HeaderMap| {
        headers.extend(world.token());
        headers
    };
    let may = [
        "allow-credentials: true",
        "allow-origin: https://app.example.test",
        "expose-headers: Retry-After, X-Request-Id",
    ];
    let answer = world.get("/api/things", with(from(LISTED))).await;
    assert_eq!((answer.status, varies(&answer.headers)), (StatusCode::OK, true));
    assert_eq!(permissions(&answer.headers), may);
    let refusal = world.get("/api/things", from(LISTED)).await;
    assert_eq!((refusal.status, varies(&refusal.headers)), (StatusCode::UNAUTHORIZED, true));
    assert_eq!(permissions(&refusal.headers), may);
    for other in ["https://evil.example", "https://app.example.test.evil.example", "http://app.example.test", "null"] {
        let answer = world.get("/api/things", with(from(other))).await;
        assert_eq!((answer.status, varies(&answer.headers)), (StatusCode::OK, true), "{other}");
        assert_eq!(permissions(&answer.headers), [""; 0], "{other}");
        let asked = world.send(Method::OPTIONS, "/api/things", preflight(other), vec![]).await;
        assert_eq!((asked.status, varies(&asked.headers)), (StatusCode::NO_CONTENT, true), "{other}");
        assert_eq!(permissions(&asked.headers), [""; 0], "{other}");
    }
    // No browser of another origin: nothing is said, but caches know that it depends.
    let plain = world.get("/api/things", world.token()).await;
    assert_eq!((permissions(&plain.headers).len(), varies(&plain.headers)), (0, true));
}

#[tokio::test]
async fn any_origin_is_answered_with_a_star_and_an_absent_section_with_nothing() {
    let open = World::new(|c| c.gateway.cors = Some(Cors { any: true, origins: vec![], ..cors(false) })).await;
    let reply = open.get("/oauth2/userinfo", from("https://evil.example")).await;
    assert_eq!(permissions(&reply.headers), ["allow-origin: *", "expose-headers: Retry-After, X-Request-Id"]);
    let closed = World::new(|_| {}).await;
    let reply = closed.get("/oauth2/userinfo", from(LISTED)).await;
    assert_eq!((permissions(&reply.headers).len(), varies(&reply.headers)), (0, false));
    // Without the section a preflight is a request like any other: this path asks for a token.
    let asked = closed.send(Method::OPTIONS, "/api/things", preflight(LISTED), vec![]).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
}
