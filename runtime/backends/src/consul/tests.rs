//! The client against a scripted agent: what it sends, what it reads, and how it moves to another agent.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use archgen_env::{
    Env,
    http::{ServerLimits, serve},
    net::Address,
    os,
    task::Shutdown,
};
use archgen_ports::{
    StoreError,
    registry::{Instance, Registry},
};
use axum::{Router, body::Bytes, extract::OriginalUri, response::IntoResponse};
use http::{HeaderMap, Method, StatusCode};
use tokio::io::AsyncReadExt;

use super::ConsulRegistry;

type Seen = Arc<Mutex<Vec<(Method, String, String, String)>>>;

fn free_address() -> Address {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Address::new("127.0.0.1", listener.local_addr().unwrap().port())
}

/// An agent that answers every request alike and remembers what it was asked.
async fn agent(env: &Env, status: StatusCode, index: &'static str, body: &'static str) -> (Address, Seen) {
    let (address, seen) = (free_address(), Seen::default());
    let asked = seen.clone();
    let routes = Router::new().fallback(
        move |method: Method, OriginalUri(uri): OriginalUri, headers: HeaderMap, sent: Bytes| async move {
            let token = headers.get("x-consul-token").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
            let sent = String::from_utf8(sent.to_vec()).unwrap();
            asked.lock().unwrap().push((method, uri.to_string(), token, sent));
            (status, [("x-consul-index", index)], body).into_response()
        },
    );
    let (served, at) = (env.clone(), address.clone());
    env.spawn("agent", async move { serve(&served, &at, routes, ServerLimits::default()).await.unwrap() });
    while env.net().connect(&address).await.is_err() {
        tokio::task::yield_now().await;
    }
    (address, seen)
}

fn test_env() -> Env {
    os::env("test-1", Path::new("."), Shutdown::default())
}

fn instance() -> Instance {
    Instance {
        id: "chat/1".to_owned(),
        service: "chat".to_owned(),
        address: Address::new("10.0.0.1", 9_200),
        zone: "eu-a".to_owned(),
    }
}

#[tokio::test]
async fn registration_carries_a_passing_check_and_the_token() {
    let env = test_env();
    let (address, seen) = agent(&env, StatusCode::OK, "1", "").await;
    let registry = ConsulRegistry::new(env, vec![address], Some("secret"));
    registry.register(&instance(), 6_000).await.unwrap();
    registry.pass("chat/1").await.unwrap();
    registry.deregister("chat/1").await.unwrap();
    let seen = seen.lock().unwrap();
    let paths: Vec<&str> = seen.iter().map(|s| s.1.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/v1/agent/service/register?replace-existing-checks=true",
            "/v1/agent/check/pass/service:chat%2F1",
            "/v1/agent/service/deregister/chat%2F1",
        ]
    );
    assert!(seen.iter().all(|s| s.0 == Method::PUT && s.2 == "secret"));
    let sent: serde_json::Value = serde_json::from_str(&seen[0].3).unwrap();
    assert_eq!(sent["Check"]["TTL"], "6000ms");
    assert_eq!(sent["Check"]["Status"], "passing");
    assert_eq!(sent["Meta"]["zone"], "eu-a");
}

#[tokio::test]
async fn health_is_read_as_consul_writes_it() {
    let env = test_env();
    // As answered by Consul 1.20.6, shortened; the second service leaves its address to its node.
    let body = r#"[
        {"Node":{"ID":"x","Node":"n1","Address":"127.0.0.1","Datacenter":"dc1","Meta":{}},
         "Service":{"ID":"chat-2","Service":"chat","Tags":[],"Address":"10.0.0.2","Meta":{"zone":"eu-b"},"Port":9200},
         "Checks":[{"CheckID":"serfHealth","Status":"passing"}]},
        {"Node":{"ID":"x","Node":"n1","Address":"127.0.0.1","Datacenter":"dc1","Meta":null},
         "Service":{"ID":"chat-1","Service":"chat","Tags":null,"Address":"","Meta":null,"Port":9200},"Checks":[]}
    ]"#;
    let (address, seen) = agent(&env, StatusCode::OK, "42", body).await;
    let registry = ConsulRegistry::new(env, vec![address], None);
    let (index, instances) = registry.healthy("chat", 0, 1_000).await.unwrap();
    assert_eq!(index, 42);
    let read: Vec<(String, String, String)> =
        instances.into_iter().map(|i| (i.id, i.address.to_string(), i.zone)).collect();
    let expect = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(read, [expect("chat-1", "127.0.0.1:9200", ""), expect("chat-2", "10.0.0.2:9200", "eu-b")]);
    registry.healthy("chat", 42, 1_500).await.unwrap();
    assert_eq!(seen.lock().unwrap()[0].1, "/v1/health/service/chat?passing=true");
    assert_eq!(seen.lock().unwrap()[1].1, "/v1/health/service/chat?passing=true&index=42&wait=1500ms");
}

#[tokio::test]
async fn an_unknown_instance_is_refused_so_that_it_registers_again() {
    let env = test_env();
    let (address, _) = agent(&env, StatusCode::NOT_FOUND, "1", "Unknown check ID").await;
    let registry = ConsulRegistry::new(env, vec![address], None);
    assert!(registry.pass("chat-1").await.unwrap_err().is_refusal());
    assert!(registry.deregister("chat-1").await.is_ok());
}

#[tokio::test]
async fn a_dead_agent_is_left_for_the_next() {
    let env = test_env();
    let (address, seen) = agent(&env, StatusCode::OK, "7", "[]").await;
    let registry = ConsulRegistry::new(env.clone(), vec![free_address(), address], None);
    assert_eq!(registry.healthy("chat", 0, 0).await.unwrap(), (7, vec![]));
    registry.pass("chat-1").await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
    let nobody = ConsulRegistry::new(env, vec![free_address()], None);
    assert!(matches!(nobody.pass("chat-1").await, Err(StoreError::Indeterminate(_))));
}

/// An agent that takes each request and cuts its connection in place of an answer; how many it took.
async fn cutting_agent(env: &Env) -> (Address, Arc<Mutex<u32>>) {
    let (address, taken) = (free_address(), Arc::new(Mutex::new(0)));
    let mut listener = env.net().listen(&address).await.unwrap();
    let counted = taken.clone();
    env.spawn("agent", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut request, mut piece) = (Vec::new(), [0; 1024]);
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece).await {
                    Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
                    _ => break,
                }
            }
            *counted.lock().unwrap() += 1;
        }
    });
    (address, taken)
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_not_asked_of_another_agent_and_a_question_is() {
    let env = test_env();
    let (cutting, taken) = cutting_agent(&env).await;
    let (other, seen) = agent(&env, StatusCode::OK, "7", "[]").await;
    let registry = || ConsulRegistry::new(env.clone(), vec![cutting.clone(), other.clone()], None);
    let changing = registry();
    let lost = changing.register(&instance(), 6_000).await;
    assert!(matches!(lost, Err(StoreError::Indeterminate(_))), "{lost:?}");
    assert_eq!((*taken.lock().unwrap(), seen.lock().unwrap().len()), (1, 0), "it was asked for once");
    // The next call goes to who may answer.
    changing.register(&instance(), 6_000).await.unwrap();
    assert_eq!((*taken.lock().unwrap(), seen.lock().unwrap().len()), (1, 1));
    assert_eq!(registry().healthy("chat", 0, 0).await.unwrap(), (7, vec![]));
    assert_eq!((*taken.lock().unwrap(), seen.lock().unwrap().len()), (2, 2));
}

#[cfg(feature = "consul")]
#[tokio::test]
async fn a_conditional_write_whose_answer_was_lost_is_no_conflict() {
    use archgen_ports::{accounts::Expect, keys::Keys};

    use crate::{Guard, Metrics};

    let env = test_env();
    let (cutting, taken) = cutting_agent(&env).await;
    // As an agent answers once the first write was made.
    let (other, seen) = agent(&env, StatusCode::OK, "1", "false").await;
    let registry = ConsulRegistry::new(env.clone(), vec![cutting, other], None);
    let guard = Guard::new("registry", 3_500, env.entropy("consul"), Metrics::default());
    let keys = super::keys::ConsulKeys::new(registry, guard);
    let lost = keys.put("k", "v".into(), Expect::Absent).await;
    assert!(matches!(lost, Err(StoreError::Indeterminate(_))), "{lost:?}");
    assert_eq!((*taken.lock().unwrap(), seen.lock().unwrap().len()), (1, 0), "it was asked for once");
}
