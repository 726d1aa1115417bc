//! Clients that are not ours read what we wrote: cassandra-driver, boto3 and pymongo from PyPI (`tests/backends/readers` installs them),
//! Kafka's own console consumer, curl. Those of PostgreSQL, Redis and Consul stand with their engines.

use std::{collections::BTreeMap, process::Command};

use archgen_backends::Engine;
use archgen_env::http::{Client, Limits};
use archgen_ports::{
    Envelope,
    accounts::Expect,
    index::Document,
    messages::{Append, Appended, Counts, NewEntry},
};
use bytes::Bytes;
use serde_json::json;

use crate::{
    cassandra, kafka, s3,
    server::{endpoints, env, folder, namespace, open, target},
};

/// What a program printed.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a script with the readers' own Python.
fn python(script: &str, arguments: &[&str]) -> String {
    let program = folder("readers").join("bin/python");
    assert!(program.exists(), "{} is not there: run `tests/backends/readers`", program.display());
    printed(Command::new(program).args(["-c", script]).args(arguments))
}

fn split(endpoint: &str) -> (&str, &str) {
    endpoint.split_once(':').expect("host and port")
}

#[tokio::test]
async fn cassandra_driver_reads_a_log() {
    let (env, place) = (env(), endpoints("cassandra"));
    let target = cassandra::fresh(&env, &place, 1);
    let (backend, keyspace) = (open(&env, target.clone()), target.namespace);
    backend.prepare().await.expect("a schema");
    let port = cassandra::messages(&backend);
    let epoch = port.lease("one", "life", &[1], 60_000).await.expect("a lease")[0].epoch;
    let entry = NewEntry {
        id: "4711".into(),
        kind: "message.created".to_owned(),
        author: "ada".into(),
        ts: 1,
        client_msg_id: None,
        data: json!({"body": "grüß dich"}),
        adds: Counts { messages: 1, everyone: 0 },
        index: None,
        revises: None,
    };
    let append = Append { shard: 1, epoch, channel: "1".into(), head: 0, dedup_ms: 1_000, entries: vec![entry] };
    assert!(matches!(port.append(append).await.expect("an answer"), Appended::Applied(_)));
    let (host, number) = split(&place[0]);
    let script = "import sys
from cassandra.cluster import Cluster
session = Cluster([sys.argv[1]], port=int(sys.argv[2])).connect(sys.argv[3])
for row in session.execute('SELECT seq, entry FROM channel_log'): print(row.seq, row.entry)";
    let read = python(script, &[host, number, &keyspace]);
    assert!(read.starts_with("1 ") && read.contains("grüß dich"), "{read}");
}

#[tokio::test]
async fn the_console_consumer_reads_a_topic() {
    let (env, place) = (env(), endpoints("kafka"));
    let target = kafka::fresh(&env, &place, 1);
    let backend = open(&env, target.clone());
    backend.prepare().await.expect("topics");
    let event = Envelope {
        v: 1,
        event_id: "e1".to_owned(),
        kind: "message.created".to_owned(),
        key: "k".to_owned(),
        epoch: None,
        seq: None,
        ts: 1,
        actor: "ada".to_owned(),
        data: json!({"said": "grüß dich"}),
    };
    kafka::events(&backend).publish("message", vec![event]).await.expect("published");
    let jars = folder("kafka").join("lib/*");
    let mut consumer = Command::new("java");
    consumer.arg("-cp").arg(jars).arg("org.apache.kafka.tools.consumer.ConsoleConsumer");
    consumer.args(["--bootstrap-server", &place[0], "--include", &format!(".*{}.*", target.namespace)]);
    consumer.args(["--from-beginning", "--max-messages", "1", "--timeout-ms", "20000"]);
    let read = printed(&mut consumer);
    let event: serde_json::Value = serde_json::from_str(read.trim()).expect("the envelope");
    assert_eq!((&event["event_id"], &event["data"]["said"]), (&json!("e1"), &json!("grüß dich")));
}

#[tokio::test]
async fn boto3_reads_an_object() {
    let (env, place, name) = (env(), endpoints("s3"), namespace(&env()));
    let backend = open(&env, s3::at(&place, &name));
    backend.prepare().await.expect("a server");
    let http = Client::new(&env, Limits::default());
    s3::keep(&env, &http, &*s3::blobs(&backend), "k", Bytes::from("hello")).await.expect("an object");
    let script = "import sys, boto3
s3 = boto3.client('s3', endpoint_url='http://' + sys.argv[1], region_name='us-east-1',
    aws_access_key_id='archgen', aws_secret_access_key='archgen-test')
print(s3.get_object(Bucket=sys.argv[2], Key='objects/k')['Body'].read().decode())";
    assert_eq!(python(script, &[&place[0], &format!("{name}-files")]).trim(), "hello");
}

/// `mongodb::` in its name: its server is one of `make test-real`.
mod mongodb {
    use super::*;

    #[tokio::test]
    async fn pymongo_reads_a_document() {
        let (env, place, name) = (env(), endpoints("mongodb"), namespace(&env()));
        let backend = open(&env, target(Engine::Mongodb, &place, &name, String::new()));
        backend.prepare().await.expect("collections");
        let port = backend.ports().documents.expect("documents");
        port.put("files", "f1", Expect::Absent, Some(json!({"owner": "ada", "name": "grüß"}))).await.expect("a put");
        let script = "import sys, pymongo
found = pymongo.MongoClient('mongodb://' + sys.argv[1] + '/?directConnection=true')[sys.argv[2]]['archgen.files'].find_one('f1')
print(found['owner'], found['value'])";
        let read = python(script, &[&place[0], &name]);
        assert!(read.starts_with("ada ") && read.contains("grüß"), "{read}");
    }
}

/// `elasticsearch::` in its name: its server is one of `make test-real`.
mod elasticsearch {
    use super::*;
    use crate::elasticsearch;

    #[tokio::test]
    async fn curl_reads_a_document() {
        let (env, place, name) = (env(), endpoints("elasticsearch"), namespace(&env()));
        let backend = open(&env, elasticsearch::at(&place, &name, 0));
        backend.prepare().await.expect("a template");
        let document = Document {
            id: "1".to_owned(),
            version: 1,
            text: "quick fox".to_owned(),
            keywords: BTreeMap::new(),
            rank: 1,
            stored: json!({"said": "grüß dich"}),
        };
        backend.ports().index.expect("an index").put("messages", vec![document]).await.expect("a put");
        let url = format!("http://{}/{name}.messages/_doc/1", place[0]);
        let read = printed(Command::new("curl").args(["--silent", "--fail", &url]));
        assert!(read.contains("grüß dich"), "{read}");
    }
}
