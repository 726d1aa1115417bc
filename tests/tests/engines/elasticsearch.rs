//! Full text on Elasticsearch and on OpenSearch.

use std::{collections::BTreeMap, sync::Arc};

use archgen_backends::{Backend, Engine, FaultKind, Target};
use archgen_env::{
    Env,
    http::{Client, Limits},
};
use archgen_ports::{
    conformance,
    index::{Document, Index},
};
use serde_json::json;

use crate::{
    fidelity,
    server::{endpoints, env, generated, namespace, open, target, topology},
};

pub fn at(endpoints: &[String], namespace: &str, replicas: usize) -> Target {
    let spec = format!(
        "archgen: v1
name: {namespace}
services: {{ search: {{ port: 9600, needs: [index.messages] }} }}
stores:
  index: {{ kind: elasticsearch, version: \"8.15\", nodes: 2, indexes: {{ messages: {{ shard_size: 1GB, replicas: {replicas} }} }} }}
"
    );
    let template = generated(&topology(&spec), "elasticsearch/index/template.json");
    target(Engine::Elasticsearch, endpoints, namespace, template)
}

fn index(backend: &Arc<dyn Backend>) -> Arc<dyn Index> {
    backend.ports().index.expect("an index")
}

async fn refresh(env: &Env, endpoint: &str) {
    let client = Client::new(env, Limits::default());
    let at = endpoint.parse().expect("an address");
    let call = client.call(http::Method::POST, &at, "/_refresh", http::HeaderMap::new(), "");
    assert!(call.await.expect("an answer").status.is_success());
}

async fn suite(server: &str) {
    let env = env();
    let place = endpoints(server);
    let backend = open(&env, at(&place, &namespace(&env), 0));
    let version = backend.prepare().await.expect("a template").version;
    println!("{server}: {version}");
    backend.check().await.expect("the same");
    let port = index(&backend);
    conformance::index(&*port, async || refresh(&env, &place[0]).await).await.expect("every promise");
    let product = if server == "opensearch" { "OpenSearch" } else { "Elasticsearch" };
    fidelity::record("index", &format!("{product} {}", version.rsplit(' ').next().unwrap_or_default()));
    let many: Vec<Document> = (0..5_000u64)
        .map(|n| Document {
            id: n.to_string(),
            version: 1,
            text: format!("message number {n} of a thousand words and more"),
            keywords: BTreeMap::from([("channel".to_owned(), vec![(n % 50).to_string()])]),
            rank: n,
            stored: json!({"n": n}),
        })
        .collect();
    let begun = std::time::Instant::now();
    for some in many.chunks(500) {
        port.put("bulk", some.to_vec()).await.expect("a bulk");
    }
    println!("{server}: 5000 documents in bulks of 500 within {:?}", begun.elapsed());
}

#[tokio::test]
async fn elasticsearch_keeps_the_port_s_promises() {
    suite("elasticsearch").await;
}

#[tokio::test]
async fn opensearch_keeps_the_port_s_promises() {
    suite("opensearch").await;
}

#[tokio::test]
async fn a_template_is_made_once_and_another_s_is_refused() {
    let env = env();
    let (place, name) = (endpoints("elasticsearch"), namespace(&env));
    let (first, second) = (open(&env, at(&place, &name, 0)), open(&env, at(&place, &name, 0)));
    let (one, two) = futures_util::future::join(first.prepare(), second.prepare()).await;
    one.expect("made, or found");
    two.expect("found, or made");
    let fault = open(&env, at(&place, &name, 1)).prepare().await.unwrap_err();
    assert!(fault.to_string().contains("was made from another spec"), "{fault}");
    let nobody = open(&env, at(&["127.0.0.1:1".to_owned()], &name, 0)).check().await.unwrap_err();
    assert!(matches!(nobody.kind, FaultKind::Unreachable(_)), "{nobody}");
    let missing = open(&env, at(&place, &namespace(&env), 0)).check().await.unwrap_err();
    assert!(matches!(missing.kind, FaultKind::Namespace(_)), "{missing}");
}
