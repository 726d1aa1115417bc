//! A cache on Redis: one server, and a cluster of three.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_backends::{Backend, Credentials, Engine, FaultKind, Secret, Target, Tls};
use archgen_ports::{cache::Cache, conformance};
use bytes::Bytes;

use crate::{
    fidelity,
    server::{Private, description, endpoints, env, namespace, open, target},
};

fn at(endpoints: &[String], namespace: &str) -> Target {
    let user = Credentials { user: "default".to_owned(), password: Secret::new("archgen-test") };
    Target { credentials: Some(user), ..target(Engine::Redis, endpoints, namespace, String::new()) }
}

fn cluster() -> Vec<String> {
    let described = description("redis");
    described["cluster"].as_array().expect("a cluster").iter().map(|e| e.as_str().expect("text").to_owned()).collect()
}

fn cache(backend: &Arc<dyn Backend>) -> Arc<dyn Cache> {
    backend.ports().cache.expect("a cache")
}

#[tokio::test]
async fn one_server_and_a_cluster_keep_the_port_s_promises() {
    let env = env();
    let one_seed = cluster()[1..2].to_vec();
    for (place, kind) in [(endpoints("redis"), false), (cluster(), true), (one_seed, true)] {
        let backend = open(&env, at(&place, &namespace(&env)));
        let server = backend.prepare().await.expect("a server");
        println!("redis: {}", server.version);
        assert_eq!(server.version.contains("cluster"), kind);
        let port = cache(&backend);
        let wait = async |ms| tokio::time::sleep(Duration::from_millis(ms)).await;
        conformance::cache(&*port, wait).await.expect("every promise");
        fidelity::record("cache", &server.version);
        for n in 0..50 {
            port.set(&format!("k{n}"), Bytes::from(n.to_string()), 60_000).await.expect("a set");
        }
        assert_eq!(port.get("k49").await.expect("an answer"), Some(Bytes::from("49")), "keys of all slots");
        port.set("g#short", Bytes::new(), 20).await.expect("a set");
        port.set("g#long", Bytes::new(), 60_000).await.expect("a set");
        wait(40).await;
        assert_eq!(port.keys("g#", 10).await.expect("keys"), ["g#long"], "a member that is over is not listed");
        port.set("text", Bytes::from("no number"), 60_000).await.expect("a set");
        assert!(port.increment("text", 1, 1_000).await.unwrap_err().is_refusal());
        assert!(port.keys("g", 10).await.unwrap_err().is_refusal(), "what is no group is not listed");
    }
}

#[tokio::test]
async fn redis_cli_reads_what_was_written_under_its_namespace() {
    let env = env();
    let (place, name) = (endpoints("redis"), namespace(&env));
    let port = cache(&open(&env, at(&place, &name)));
    port.set("greeting", Bytes::from("hello"), 60_000).await.expect("a set");
    let (_, number) = place[0].split_once(':').expect("a port");
    let mut client = Command::new("redis-cli");
    client.args(["-p", number, "get", &format!("{name}:greeting")]).env("REDISCLI_AUTH", "archgen-test");
    assert_eq!(String::from_utf8(client.output().expect("redis-cli").stdout).expect("text").trim(), "hello");
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_said() {
    let env = env();
    let place = endpoints("redis");
    let fault = open(&env, at(&["127.0.0.1:1".to_owned()], "x")).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Unreachable(_)), "{fault}");
    assert!(fault.to_string().contains("store `store` (Redis at 127.0.0.1:1)"), "{fault}");
    let user = Credentials { user: "default".to_owned(), password: Secret::new("a-wrong-one") };
    let wrong = Target { credentials: Some(user), ..at(&place, "x") };
    let fault = open(&env, wrong.clone()).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Credentials(_)), "{fault}");
    assert!(!fault.to_string().contains("a-wrong-one"), "{fault}");
    let refused = cache(&open(&env, wrong)).set("k", Bytes::new(), 1_000).await.unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
    let nobody = Target { credentials: None, ..at(&place, "x") };
    let fault = open(&env, nobody).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Credentials(_)), "{fault}");
    let foreign = open(&env, at(&endpoints("s3"), "x")).check().await.unwrap_err();
    assert!(matches!(foreign.kind, FaultKind::Foreign(_)), "{foreign}");
    let encrypted = open(&env, Target { tls: Tls::System, ..at(&place, "x") }).check().await.unwrap_err();
    assert!(matches!(encrypted.kind, FaultKind::Encryption(_) | FaultKind::Unreachable(_)), "{encrypted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_the_server_costs_time_only() {
    let env = env();
    let server = Private::start("redis");
    let first = server.endpoints()[0].clone();
    let file = format!("data/{}/pid", first.rsplit(':').next().expect("a port"));
    let port = cache(&open(&env, at(&[first], &namespace(&env))));
    port.set("k", Bytes::from("v"), 60_000).await.expect("a set");
    server.signal_file(&file, "KILL");
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let begun = Instant::now();
        assert!(port.get("k").await.unwrap_err().is_refusal(), "a read that fails had no effect");
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_millis(1_500), "a dead cache is given up soon: {slowest:?}");
    server.restart();
    let back = Instant::now();
    while port.get("k").await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(20), "the server is back, and is not used");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("redis killed: slowest call {slowest:?}, used again {:?} after it was back", back.elapsed());
    assert_eq!(port.get("k").await.expect("an answer"), None, "it forgot");
    server.signal_file(&file, "STOP");
    let begun = Instant::now();
    let unknown = port.increment("n", 1, 60_000).await.unwrap_err();
    assert!(!unknown.is_refusal(), "a counter may have been raised: {unknown}");
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    server.signal_file(&file, "CONT");
    let back = Instant::now();
    while port.set("k", Bytes::from("w"), 60_000).await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(20), "the server goes on, and is not used");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("redis stopped: used again {:?} after it went on", back.elapsed());
}
