//! The registry and the keys on Consul: one server, and three.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_backends::{Backend, Credentials, Engine, FaultKind, Secret, Target};
use archgen_env::net::Address;
use archgen_ports::{
    accounts::Expect,
    conformance,
    keys::Keys,
    registry::{Instance, Registry},
};
use bytes::Bytes;

use crate::{
    fidelity,
    load::Account,
    server::{Private, description, endpoints, env, namespace, open, target},
};

pub fn at(name: &str, endpoints: &[String]) -> Target {
    let token = description(name)["token"].as_str().expect("a token").to_owned();
    let token = Credentials { user: "token".to_owned(), password: Secret::new(token) };
    Target { credentials: Some(token), ..target(Engine::Consul, endpoints, "dc1", String::new()) }
}

fn registry(backend: &Arc<dyn Backend>) -> Arc<dyn Registry> {
    backend.ports().registry.expect("a registry")
}

pub fn keys(backend: &Arc<dyn Backend>) -> Arc<dyn Keys> {
    backend.ports().keys.expect("keys")
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test]
async fn a_server_keeps_the_ports_promises() {
    let env = env();
    let backend = open(&env, at("consul", &endpoints("consul")));
    let version = backend.prepare().await.expect("a server").version;
    println!("consul: {version}");
    conformance::registry(&*registry(&backend), 1_000, async |ms| pause(ms).await).await.expect("every promise");
    fidelity::record("registry", &version);
    let (port, prefix) = (keys(&backend), namespace(&env));
    conformance::keys(&*port, &prefix, 10_000, async |ms| pause(ms).await).await.expect("every promise");
    fidelity::record("keys", &version);
    assert!(port.begin_session("short", 9_999).await.unwrap_err().is_refusal(), "Consul does no shorter life");
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_said() {
    let (env, place) = (env(), endpoints("consul"));
    let fault = open(&env, at("consul", &["127.0.0.1:1".to_owned()])).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Unreachable(_)), "{fault}");
    assert!(fault.to_string().contains("store `store` (Consul at 127.0.0.1:1)"), "{fault}");
    let token = Credentials { user: "token".to_owned(), password: Secret::new("a-wrong-one") };
    let wrong = Target { credentials: Some(token), ..at("consul", &place) };
    let fault = open(&env, wrong.clone()).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Credentials(_)), "{fault}");
    assert!(!fault.to_string().contains("a-wrong-one"), "{fault}");
    let instance = Instance {
        id: "i".to_owned(),
        service: "s".to_owned(),
        address: Address::new("127.0.0.1", 1),
        zone: String::new(),
    };
    let refused = registry(&open(&env, wrong)).register(&instance, 1_000).await.unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
    let nobody = Target { credentials: None, ..at("consul", &place) };
    let fault = open(&env, nobody).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Credentials(_)), "{fault}");
    let elsewhere = Target { namespace: "dc2".to_owned(), ..at("consul", &place) };
    let fault = open(&env, elsewhere).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Namespace(_)) && fault.to_string().contains("`dc1`"), "{fault}");
    let foreign = open(&env, at("consul", &endpoints("redis"))).check().await.unwrap_err();
    assert!(matches!(foreign.kind, FaultKind::Foreign(_)), "{foreign}");
    let foreign = open(&env, at("consul", &endpoints("s3"))).check().await.unwrap_err();
    assert!(matches!(foreign.kind, FaultKind::Foreign(_)), "{foreign}");
}

/// A writer that sets its own keys in turn until the load is over; what was acknowledged last of each.
async fn write(port: Arc<dyn Keys>, prefix: String, account: Arc<Account>) -> (BTreeMap<String, u64>, u64) {
    let (mut acked, mut n) = (BTreeMap::new(), 0u64);
    while !account.is_over() {
        let (begun, key) = (Instant::now(), format!("{prefix}/{}", n % 10));
        n += 1;
        match port.put(&key, Bytes::from(n.to_string()), Expect::Any).await {
            Ok(_) => {
                acked.insert(key, n);
                account.ack(begun.elapsed());
            }
            Err(error) => {
                account.failed(&error);
                pause(20).await;
            }
        }
    }
    (acked, n)
}

/// Writers for each of these ports.
pub fn load(
    ports: &[Arc<dyn Keys>],
    account: &Arc<Account>,
) -> Vec<tokio::task::JoinHandle<(BTreeMap<String, u64>, u64)>> {
    let writer =
        |(n, port): (usize, &Arc<dyn Keys>)| tokio::spawn(write(port.clone(), format!("load/{n}"), account.clone()));
    ports.iter().enumerate().map(writer).collect()
}

/// Every acknowledged value stands, or a later one of the same writer that was not answered.
pub async fn check(port: &dyn Keys, written: Vec<(BTreeMap<String, u64>, u64)>) {
    for (acked, last) in written {
        for (key, n) in acked {
            let found = port.get(&key).await.expect("an answer").expect("an acknowledged key");
            let stands: u64 = std::str::from_utf8(&found.value).expect("text").parse().expect("a number");
            assert!((n..=last).contains(&stands), "{key}: {n} was acknowledged, {stands} stands");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_and_a_stopped_server_lose_nothing_that_was_acknowledged() {
    let env = env();
    let server = Private::start("consul");
    let backend = open(&env, at("consul", &server.endpoints()));
    backend.prepare().await.expect("a server");
    let (port, account) = (keys(&backend), Arc::new(Account::default()));
    let writers = load(&[port.clone(), port.clone(), port.clone()], &account);
    account.more(100).await;
    server.signal(1, "KILL");
    account.failed_more(1).await;
    server.restart();
    println!("consul killed: 50 more writes {:?} after it was back", account.more(50).await);
    server.signal(1, "STOP");
    account.failed_more(1).await;
    let slow = backend.check().await.unwrap_err();
    assert!(matches!(slow.kind, FaultKind::Unreachable(_)), "{slow}");
    server.signal(1, "CONT");
    println!("consul stopped: 50 more writes {:?} after it went on", account.more(50).await);
    account.stop();
    println!("consul: {}", account.text());
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.expect("a writer"));
    }
    check(&*port, written).await;
}

#[tokio::test]
async fn its_own_program_reads_what_was_written() {
    let (env, place) = (env(), endpoints("consul"));
    let backend = open(&env, at("consul", &place));
    let key = format!("{}/greeting", namespace(&env));
    keys(&backend).put(&key, Bytes::from("hello"), Expect::Any).await.expect("a put");
    let instance = Instance {
        id: "read-1".to_owned(),
        service: "read".to_owned(),
        address: Address::new("127.0.0.1", 9_001),
        zone: "a".to_owned(),
    };
    registry(&backend).register(&instance, 60_000).await.expect("registered");
    let described = description("consul");
    let text = |key: &str| described[key].as_str().expect("text").to_owned();
    let consul = |arguments: &[&str]| {
        let mut program = Command::new(text("program"));
        program.args(arguments).env("CONSUL_HTTP_ADDR", &place[0]).env("CONSUL_HTTP_TOKEN", text("token"));
        String::from_utf8(program.output().expect("consul").stdout).expect("text")
    };
    assert_eq!(consul(&["kv", "get", &key]).trim(), "hello");
    assert!(consul(&["catalog", "services"]).lines().any(|line| line == "read"));
    registry(&backend).deregister("read-1").await.expect("gone");
}
