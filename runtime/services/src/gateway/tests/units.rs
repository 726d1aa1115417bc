//! Routing, paths, limits, balance, retry budget, cache keys and headers without any network.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use archgen_env::net::Address;
use archgen_ports::ServiceKey;
use archgen_spec::topology::{Balance, RateLimit, Route, ServiceId};
use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use proptest::prelude::*;
use tokio::time::Instant;

use super::super::{
    auth::{Identity, bearer},
    balance::Pool,
    cache::{is_storable, key},
    headers::{Introduction, towards_client, towards_instance},
    limit::{Buckets, client_of},
    retry::RetryBudget,
    routing::{Routes, is_plain},
};
use crate::host::Peer;

fn route(prefix: &str, to: usize) -> Route {
    Route {
        prefix: prefix.to_owned(),
        to: ServiceId(to),
        authenticated: true,
        balance: Balance::RoundRobin,
        micro_cache: None,
        body_bytes_max: 1_000,
        timeout: Duration::from_secs(1),
        retries: 1,
        limit: None,
    }
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    let mut map = HeaderMap::new();
    list.iter().map(pair).for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

#[test]
fn the_longest_prefix_wins_at_segment_boundaries() {
    let routes = Routes::new(
        vec![route("/api/v1/users", 0), route("/api/v1/users/me/", 1), route("/api/v1", 2), route("/oauth2", 3)],
        Some(ServiceId(4)),
    );
    let to = |path: &str| routes.of(path).map(|(_, r)| r.to.0);
    for (path, expected) in [
        ("/api/v1/users", Some(0)),
        ("/api/v1/users/", Some(0)),
        ("/api/v1/users/7", Some(0)),
        ("/api/v1/users/me", Some(1)),
        ("/api/v1/users/me/x", Some(1)),
        ("/api/v1/users/men", Some(0)),
        ("/api/v1/usersx", Some(2)),
        ("/api/v2", None),
        ("/api/v10", None),
        ("/oauth2/token", Some(3)),
        ("/oauth2x", None),
        ("/.well-known/openid-configuration", Some(4)),
        ("/nowhere", None),
    ] {
        assert_eq!(to(path), expected, "{path}");
    }
    // A route of the spec's own is not overridden, and without an issuer there is none.
    let own = Routes::new(vec![route("/.well-known/openid-configuration", 1)], Some(ServiceId(4)));
    assert_eq!(own.of("/.well-known/openid-configuration").map(|(_, r)| r.to.0), Some(1));
    assert!(Routes::new(vec![], None).of("/.well-known/x").is_none());
    assert_eq!(Routes::new(vec![route("/", 5)], None).of("/any/thing").map(|(_, r)| r.to.0), Some(5));
}

#[test]
fn only_plain_paths_pass() {
    for path in ["/", "/a", "/a/", "/a/b.c/..d", "/a/%20b", "/caf%C3%A9", "/a/internal", "/internals"] {
        assert!(is_plain(path), "{path}");
    }
    for path in [
        "",
        "a",
        "//",
        "/a//b",
        "/./a",
        "/a/..",
        "/a/../internal/x",
        "/a/%2e%2E/b",
        "/a/%2fb",
        "/a%5cb",
        "/a\\b",
        "/a%00",
        "/a%0d%0ab",
        "/%",
        "/%2",
        "/%zz",
        "/%252e%252e/a",
        "/internal",
        "/internal/send",
        "/INTERNAL/send",
        "/%69nternal/x",
    ] {
        assert!(!is_plain(path), "{path}");
    }
}

fn rate(per_second: f64, burst: u32) -> RateLimit {
    RateLimit { per_second, burst }
}

#[test]
fn a_bucket_gives_its_burst_then_its_rate() {
    let (buckets, now) = (Buckets::new(rate(2.0, 3)), Instant::now());
    let taken = (0..10).take_while(|_| buckets.take(&"a", now).is_ok()).count();
    assert_eq!(taken, 4);
    assert_eq!(buckets.take(&"a", now), Err(1));
    assert_eq!(buckets.take(&"b", now), Ok(()));
    assert_eq!(buckets.take(&"a", now + Duration::from_millis(500)), Ok(()));
    assert!(buckets.take(&"a", now + Duration::from_millis(600)).is_err());
    let slow = Buckets::new(rate(0.1, 0));
    assert_eq!(slow.take(&"a", now), Ok(()));
    assert_eq!(slow.take(&"a", now), Err(10));
}

#[test]
fn clients_are_addresses_or_ipv6_subscribers() {
    let of = |text: &str| client_of(text.parse::<IpAddr>().unwrap()).to_string();
    assert_eq!(of("10.0.0.1"), "10.0.0.1");
    assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
}

proptest! {
    /// Over any sequence of requests a key gets at most its burst, one, and its rate times the time gone by.
    #[test]
    fn no_key_exceeds_its_rate(gaps in prop::collection::vec(0u64..400, 1..200), burst in 0u32..5, per_second in 1u32..20) {
        let (buckets, begun) = (Buckets::new(rate(f64::from(per_second), burst)), Instant::now());
        let (mut now, mut granted) = (begun, 0u32);
        for gap in gaps {
            now += Duration::from_millis(gap);
            granted += u32::from(buckets.take(&0, now).is_ok());
            let most = f64::from(burst) + 1.0 + (now - begun).as_secs_f64() * f64::from(per_second);
            prop_assert!(f64::from(granted) <= most + 1e-6);
        }
    }

    #[test]
    fn remembered_keys_are_bounded(keys in prop::collection::vec(0u32..1_000, 1..300)) {
        let (buckets, now) = (Buckets::bounded(rate(1.0, 1), 16), Instant::now());
        for key in keys {
            let _ = buckets.take(&key, now);
            prop_assert!(buckets.len() <= 16);
        }
    }

    /// A path that passes has no second reading: decoded once, it has neither dot nor empty segments nor separators inside.
    #[test]
    fn what_passes_has_one_reading(path in "(/(%2[eEfF]|%5c|%25|\\.|[a-z]|internal){0,3}){1,4}") {
        if is_plain(&path) {
            let low = path.to_ascii_lowercase();
            prop_assert!(!low.contains("%2f") && !low.contains("%25") && !low.contains("%5c") && !low.contains("//"));
            let dots = low.replace("%2e", ".");
            prop_assert!(dots.split('/').all(|s| s != "." && s != ".."));
            prop_assert!(dots.split('/').nth(1) != Some("internal"));
        }
    }

    /// When an instance goes, only its own callers move.
    #[test]
    fn consistent_hash_moves_few(callers in prop::collection::vec("[a-z0-9]{1,12}", 1..40), gone in 0usize..4) {
        let now = Instant::now();
        let all = Pool::new("s", instances(4));
        let mut left = instances(4);
        left.remove(gone);
        let fewer = Pool::new("s", left);
        let on = |pool: &Pool, caller: &str| {
            pool.pick(Balance::ConsistentHash, caller.as_bytes(), &[], now).unwrap().name().to_owned()
        };
        for caller in &callers {
            let before = on(&all, caller);
            prop_assert_eq!(&before, &on(&all, caller));
            if before != format!("s-{}", gone + 1) {
                prop_assert_eq!(before, on(&fewer, caller));
            }
        }
    }
}

fn instances(count: u16) -> Vec<Peer> {
    (1..=count).map(|i| Peer { name: format!("s-{i}"), address: Address::new("10.0.0.1", i) }).collect()
}

#[test]
fn round_robin_takes_turns_and_least_conn_fills_gaps() {
    let (pool, now) = (Pool::new("s", instances(3)), Instant::now());
    let mut counts = BTreeMap::<String, u32>::new();
    for _ in 0..30 {
        *counts.entry(pool.pick(Balance::RoundRobin, b"", &[], now).unwrap().name().to_owned()).or_default() += 1;
    }
    assert!(counts.values().all(|c| *c == 10), "{counts:?}");
    let held: Vec<_> = (0..3).map(|_| pool.pick(Balance::LeastConn, b"", &[], now).unwrap()).collect();
    let mut names: Vec<&str> = held.iter().map(|l| l.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["s-1", "s-2", "s-3"]);
    let free = held.iter().position(|l| l.name() == "s-2").unwrap();
    let mut held = held;
    drop(held.remove(free));
    for _ in 0..5 {
        assert_eq!(pool.pick(Balance::LeastConn, b"", &[], now).unwrap().name(), "s-2");
    }
}

#[test]
fn a_failed_instance_rests_longer_each_time_and_is_used_when_alone() {
    let (pool, now) = (Pool::new("s", instances(2)), Instant::now());
    let first = pool.pick(Balance::RoundRobin, b"", &["s-2".to_owned()], now).unwrap();
    assert_eq!(first.name(), "s-1");
    first.failed(now);
    let names = |at: Instant| -> Vec<String> {
        (0..4).map(|_| pool.pick(Balance::RoundRobin, b"", &[], at).unwrap().name().to_owned()).collect()
    };
    assert!(names(now).iter().all(|n| n == "s-2"));
    assert!(names(now + Duration::from_millis(1_001)).iter().any(|n| n == "s-1"));
    first.failed(now);
    assert!(names(now + Duration::from_millis(1_500)).iter().all(|n| n == "s-2"));
    assert_eq!(pool.pick(Balance::RoundRobin, b"", &["s-2".to_owned()], now).unwrap().name(), "s-1");
    first.answered();
    assert!(names(now).iter().any(|n| n == "s-1"));
    pool.set(vec![]);
    assert!(pool.pick(Balance::RoundRobin, b"", &[], now).is_none());
}

#[test]
fn retries_stay_below_a_fifth() {
    let budget = RetryBudget::default();
    let reserve = (0..100).take_while(|_| budget.withdraw()).count();
    assert_eq!(reserve, 10);
    let retries = (0..1_000)
        .filter(|_| {
            budget.deposit();
            budget.withdraw()
        })
        .count();
    assert!((190..=201).contains(&retries), "{retries}");
}

fn identity(subject: &str) -> Identity {
    Identity { subject: subject.to_owned(), session: "s".to_owned(), scope: "chat".to_owned() }
}

#[test]
fn cache_keys_separate_callers_and_requests() {
    let none = HeaderMap::new();
    let get = |path: &str, headers: &HeaderMap, who: Option<&str>| {
        key(&Method::GET, path, headers, who.map(identity).as_ref())
    };
    let base = get("/a?x=1", &none, Some("u-1")).unwrap();
    assert_eq!(base, get("/a?x=1", &none, Some("u-1")).unwrap());
    let json = headers(&[("accept", "application/json")]);
    for other in [
        get("/a?x=1", &none, Some("u-2")),
        get("/a?x=1", &none, None),
        get("/a?x=2", &none, Some("u-1")),
        get("/a?x=1", &json, Some("u-1")),
    ] {
        assert_ne!(other.unwrap(), base);
    }
    assert_eq!(key(&Method::POST, "/a", &none, None), None);
    for refused in [
        ("range", "bytes=0-1"),
        ("if-none-match", "x"),
        ("cache-control", "max-age=0, no-cache"),
        ("cache-control", "No-Store"),
        ("cookie", "a=b"),
    ] {
        assert_eq!(get("/a", &headers(&[refused]), Some("u-1")), None, "{refused:?}");
    }
    // A credential that the gateway did not resolve may still change the answer.
    let token = headers(&[("authorization", "Bearer x")]);
    assert_eq!(get("/a", &token, None), None);
    assert!(get("/a", &token, Some("u-1")).is_some());
}

#[test]
fn only_small_whole_unwithheld_answers_are_kept() {
    let answer = |status: u16, list: &[(&str, &str)]| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status.try_into().unwrap();
        *response.headers_mut() = headers(list);
        is_storable(&response)
    };
    let length = ("content-length", "10");
    assert!(answer(200, &[length]));
    assert!(answer(200, &[length, ("cache-control", "private, max-age=5"), ("vary", "Accept, accept-encoding")]));
    assert!(!answer(200, &[]));
    assert!(!answer(201, &[length]));
    assert!(!answer(200, &[("content-length", "65537")]));
    for withheld in [
        ("cache-control", "private, no-store"),
        ("cache-control", "no-cache=\"x\""),
        ("set-cookie", "a=b"),
        ("vary", "*"),
        ("vary", "x-flavour"),
    ] {
        assert!(!answer(200, &[length, withheld]), "{withheld:?}");
    }
}

#[test]
fn what_a_client_claims_about_itself_ends_here() {
    let mut map = headers(&[
        ("host", "chat.test"),
        ("authorization", "Bearer secret"),
        ("x-auth-subject", "root"),
        ("x-auth-anything", "1"),
        ("x-archgen-service-key", "guess"),
        ("x-archgen-relayed", "1"),
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("connection", "close, X-Private"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("accept", "*/*"),
        ("idempotency-key", "k"),
    ]);
    let (who, fleet) = (identity("u-1"), ServiceKey::new("fleet"));
    let introduction = Introduction {
        identity: Some(&who),
        key: Some(&fleet),
        client: "10.0.0.7".parse().unwrap(),
        request_id: "r-1",
        keep_credential: false,
    };
    towards_instance(&mut map, &introduction);
    let mut left: Vec<String> = map.iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap())).collect();
    left.sort();
    assert_eq!(
        left,
        [
            "accept=*/*",
            "idempotency-key=k",
            "x-archgen-service-key=fleet",
            "x-auth-scope=chat",
            "x-auth-session=s",
            "x-auth-subject=u-1",
            "x-forwarded-for=10.0.0.7",
            "x-forwarded-host=chat.test",
            "x-forwarded-proto=http",
            "x-request-id=r-1",
        ]
    );
    let mut map = headers(&[("x-auth-subject", "root"), ("authorization", "Bearer t")]);
    towards_instance(&mut map, &Introduction { identity: None, key: None, keep_credential: true, ..introduction });
    assert!(!map.contains_key("x-auth-subject") && map.contains_key("authorization"));
    let mut map = headers(&[("x-archgen-service-key", "fleet"), ("keep-alive", "5"), ("server", "x"), ("etag", "e")]);
    towards_client(&mut map);
    assert_eq!(map.len(), 1);
}

#[test]
fn one_bearer_token_or_none() {
    assert_eq!(bearer(&headers(&[("authorization", "Bearer abc")])), Some("abc"));
    assert_eq!(bearer(&headers(&[("authorization", "bearer  abc ")])), Some("abc"));
    for wrong in ["Basic abc", "Bearer", "Bearer ", "abc"] {
        assert_eq!(bearer(&headers(&[("authorization", wrong)])), None, "{wrong}");
    }
    assert_eq!(bearer(&headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")])), None);
    assert_eq!(bearer(&headers(&[(header::ACCEPT.as_str(), "x")])), None);
}
