//! Documents on MongoDB's protocol (FerretDB). What that server does not honour (a majority, validators, and that of two conditional
//! writes at once only one applies) is tested as the commands that are sent, beside their making in `backends`.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_backends::{Backend, Engine, FaultKind, Target};
use archgen_ports::{accounts::Expect, conformance, documents::Documents};
use serde_json::json;

use crate::{
    fidelity,
    load::Account,
    server::{Private, endpoints, env, namespace, open, target},
};

fn at(endpoints: &[String], namespace: &str) -> Target {
    target(Engine::Mongodb, endpoints, namespace, String::new())
}

fn documents(backend: &Arc<dyn Backend>) -> Arc<dyn Documents> {
    backend.ports().documents.expect("documents")
}

#[tokio::test]
async fn a_server_keeps_the_port_s_promises() {
    let env = env();
    let name = namespace(&env);
    let (backend, other) = (open(&env, at(&endpoints("mongodb"), &name)), open(&env, at(&endpoints("mongodb"), &name)));
    let unmade = backend.check().await.unwrap_err();
    assert!(matches!(unmade.kind, FaultKind::Schema(_)), "{unmade}");
    let (server, again) = tokio::join!(backend.prepare(), other.prepare());
    println!("mongodb: {}", server.expect("a server").version);
    again.expect("the same server");
    backend.prepare().await.expect("once more");
    backend.check().await.expect("collections");
    let port = documents(&backend);
    conformance::documents(&*port).await.expect("every promise");
    fidelity::record("documents", "FerretDB 1.24");

    let odd = json!({"owner": "a\u{0}b", "$set": {"a.b": [[1], {"": null}]}, "large": u64::MAX, "small": -0.5});
    port.put("files", "odd", Expect::Absent, Some(odd.clone())).await.expect("any JSON is kept");
    assert_eq!(port.get("files", "odd").await.expect("an answer").expect("a document").value, odd);
    let found = port.find("files", "owner", "a\u{0}b", None, false, 9).await.expect("an answer");
    assert_eq!(found.len(), 1);
    assert!(port.put("nothing", "k", Expect::Any, None).await.unwrap_err().is_refusal());
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_said() {
    let env = env();
    let fault = open(&env, at(&["127.0.0.1:1".to_owned()], "x")).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Unreachable(_)), "{fault}");
    assert!(fault.to_string().contains("store `store` (MongoDB at 127.0.0.1:1)"), "{fault}");
    let encrypted = Target { tls: archgen_backends::Tls::System, ..at(&endpoints("mongodb"), "x") };
    let encrypted = open(&env, encrypted).check().await.unwrap_err();
    assert!(matches!(encrypted.kind, FaultKind::Encryption(_) | FaultKind::Unreachable(_)), "{encrypted}");
    let pem = Target { tls: archgen_backends::Tls::Authority("PEM".to_owned()), ..at(&endpoints("mongodb"), "x") };
    let unusable = open(&env, pem).check().await.unwrap_err();
    assert!(matches!(unusable.kind, FaultKind::Encryption(_)), "{unusable}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_and_a_stopped_server_lose_no_document_that_was_acknowledged() {
    let env = env();
    let server = Private::start("mongodb");
    let backend = open(&env, at(&server.endpoints(), &namespace(&env)));
    backend.prepare().await.expect("a server");
    let (port, account) = (documents(&backend), Arc::new(Account::default()));
    let writers = (0..4).map(|writer| {
        let (port, account) = (port.clone(), account.clone());
        tokio::spawn(async move {
            let (mut acked, mut n) = (BTreeMap::new(), 0u64);
            while !account.is_over() {
                let (begun, key) = (Instant::now(), format!("w{writer}-{}", n % 40));
                n += 1;
                match port.put("files", &key, Expect::Any, Some(json!({"owner": key, "n": n}))).await {
                    Ok(_) => {
                        acked.insert(key, n);
                        account.ack(begun.elapsed());
                    }
                    Err(error) => {
                        account.failed(&error);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
            (acked, n)
        })
    });
    let writers: Vec<_> = writers.collect();
    account.more(200).await;
    server.signal_file("pid", "KILL");
    account.failed_more(1).await;
    server.restart();
    println!("mongodb killed: 100 more writes {:?} after it was back", account.more(100).await);
    server.signal_file("pid", "STOP");
    account.failed_more(1).await;
    server.signal_file("pid", "CONT");
    println!("mongodb stopped: 100 more writes {:?} after it went on", account.more(100).await);
    account.stop();
    for task in writers {
        let (acked, last) = task.await.expect("a writer");
        for (key, n) in acked {
            let found = port.get("files", &key).await.expect("an answer").expect("an acknowledged document");
            let stands = found.value["n"].as_u64().expect("a number");
            // A later write without an answer may stand instead.
            assert!((n..=last).contains(&stands), "{key}: {n} was acknowledged, {stands} stands");
        }
    }
    println!("mongodb: {}", account.text());
}
