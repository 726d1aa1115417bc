//! The ports' conformance suites against a node, through the wire, on both engines; and what a node's data survives.
#![expect(clippy::disallowed_methods, reason = "a test stands outside the hosts that it drives")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use archgen_env::{
    Env,
    http::{Client, Limits},
    net::Address,
    os,
    task::{Shutdown, Task},
};
use archgen_ports::{
    ChannelId, ServiceKey, StoreError,
    accounts::{Accounts, Commit, Expect, Write},
    blobs::{Blobs, Grant},
    conformance,
    messages::{Append, Appended, Counts, Messages, NewEntry},
};
use archgen_spec::sharding::slot_of;
use archgen_store::{EngineKind, NodeConfig, NodeError, Place, StoreClient, run};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;

const SHARDS: u16 = 8;
const ENGINES: [EngineKind; 2] = [EngineKind::Fjall, EngineKind::Log];

struct Node {
    env: Env,
    address: Address,
    client: Arc<StoreClient>,
    task: Task,
}

fn config(engine: EngineKind) -> NodeConfig {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::new("127.0.0.1", socket.local_addr().unwrap().port());
    NodeConfig {
        place: Place::alone(&address, SHARDS),
        store: "test".to_owned(),
        public_url: format!("http://{address}"),
        address,
        key: ServiceKey::new("test-key"),
        engine,
        nodes: 1,
        topics: BTreeMap::from([("message".to_owned(), 4)]),
        membership: None,
    }
}

/// Starts a node on this folder and waits until it answers.
async fn node(data: &Path, engine: EngineKind) -> Node {
    let env = os::env("test-1", data, Shutdown::default());
    let config = config(engine);
    let client = StoreClient::new(&env, vec![config.address.clone()], config.key.clone(), SHARDS);
    let (its_env, address) = (env.clone(), config.address.clone());
    let task = env.spawn("node", async move { run(its_env, config).await.unwrap() });
    let up = async {
        while env.net().connect(&address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), up).await.expect("the node starts");
    Node { env, address, client: Arc::new(client), task }
}

async fn stop(node: Node) {
    node.env.shutdown().trigger("test");
    assert!(node.task.join().await, "the node ended well");
}

/// Uses a presigned URL.
async fn send(http: &Client, exchange: conformance::Exchange) -> Result<(u16, bytes::Bytes), StoreError> {
    let (address, path) = exchange.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let range = exchange.range.map(|range| (header::RANGE, HeaderValue::from_static(range)));
    let (method, headers) = (exchange.method.parse().unwrap(), range.into_iter().collect());
    let reply = http.call(method, &address.parse().unwrap(), &format!("/{path}"), headers, exchange.body).await;
    reply.map(|reply| (reply.status.as_u16(), reply.body)).map_err(|e| StoreError::Indeterminate(e.to_string()))
}

#[tokio::test]
async fn both_engines_keep_every_port_s_promises_through_the_wire() {
    for engine in ENGINES {
        let data = tempfile::tempdir().unwrap();
        let node = node(data.path(), engine).await;
        let client = node.client.clone();
        let channel = ChannelId::from("4711");
        let shard = slot_of(channel.0.as_bytes(), SHARDS);
        let outcome = async {
            conformance::accounts(&*client).await?;
            conformance::documents(&*client).await?;
            conformance::messages(&*client, &channel, shard).await?;
            conformance::events(client.clone(), "message", |task| drop(tokio::spawn(task))).await?;
            conformance::index(&*client, async || ()).await?;
            let http = Client::new(&node.env, Limits::default());
            conformance::blobs(&*client, async |exchange| send(&http, exchange).await, node.env.wall_ms()).await?;
            conformance::cache(&*client, async |ms| tokio::time::sleep(Duration::from_millis(ms)).await).await
        };
        outcome.await.unwrap_or_else(|violation| panic!("{engine:?}: {violation}"));
        stop(node).await;
    }
}

#[tokio::test]
async fn objects_go_in_and_out_by_presigned_url_and_no_other_way() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path(), EngineKind::Log).await;
    let http = Client::new(&node.env, Limits::default());
    let expires = node.env.wall_ms() + 60_000;
    let bytes = vec![7u8; 300_000];
    let grant = Grant::Put { size_bytes: bytes.len() as u64 };
    let put = node.client.presign("files", "k1", grant, expires).await.unwrap();
    let call = async |method: Method, url: &str, body: Vec<u8>| {
        let rest = url.strip_prefix("http://").unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        http.call(method, &address.parse().unwrap(), &format!("/{path}"), HeaderMap::new(), body).await.unwrap()
    };
    assert_eq!(call(Method::PUT, &put, vec![7u8; 10]).await.status.as_u16(), 400, "another size");
    assert!(node.client.info("files", "k1").await.unwrap().is_none());
    assert_eq!(call(Method::PUT, &put, bytes.clone()).await.status.as_u16(), 200);
    assert_eq!(node.client.info("files", "k1").await.unwrap().unwrap().size_bytes, 300_000);
    assert_eq!(node.client.first_bytes("files", "k1", 3).await.unwrap(), vec![7u8; 3]);
    assert_eq!(call(Method::PUT, &put, bytes.clone()).await.status.as_u16(), 200, "the same put again");
    let other = call(Method::PUT, &put, vec![8u8; 300_000]).await;
    assert_eq!(other.status.as_u16(), 409, "an object does not change once it was put");
    assert_eq!(node.client.first_bytes("files", "k1", 3).await.unwrap(), vec![7u8; 3]);
    let files = std::fs::read_dir(data.path().join("objects")).unwrap().count();
    assert_eq!(files, 1, "what was refused leaves nothing");
    let grant = Grant::Get { name: "a \"b\".txt".to_owned(), media_type: "text/plain".to_owned() };
    let get = node.client.presign("files", "k1", grant.clone(), expires).await.unwrap();
    let reply = call(Method::GET, &get, Vec::new()).await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 300_000));
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    assert!(reply.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(call(Method::GET, &get.replace("k1", "k2"), Vec::new()).await.status.as_u16(), 403, "another key");
    assert_eq!(call(Method::PUT, &get, bytes).await.status.as_u16(), 403, "another method");
    let part = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=10-19"))]);
    let path = get.strip_prefix(&format!("http://{}", node.address)).unwrap();
    let reply = http.call(Method::GET, &node.address, path, part, Vec::new()).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.body.len()), (206, 10));
    assert_eq!(reply.headers["content-range"], "bytes 10-19/300000");
    let past = node.client.presign("files", "k1", grant, 1).await.unwrap();
    assert_eq!(call(Method::GET, &past, Vec::new()).await.status.as_u16(), 403, "expired");
    Blobs::delete(&*node.client, "files", "k1").await.unwrap();
    assert_eq!(call(Method::GET, &get, Vec::new()).await.status.as_u16(), 404, "deleted");
    assert_eq!(std::fs::read_dir(data.path().join("objects")).unwrap().count(), 0, "its file is gone");
    stop(node).await;
}

#[tokio::test]
async fn strangers_without_the_fleet_s_key_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let env = os::env("test-1", data.path(), Shutdown::default());
    let config = config(EngineKind::Log);
    let (its_env, its_config) = (env.clone(), config.clone());
    env.spawn("node", async move { run(its_env, its_config).await.unwrap() });
    while env.net().connect(&config.address).await.is_err() {
        tokio::task::yield_now().await;
    }
    let stranger = StoreClient::new(&env, vec![config.address], ServiceKey::new("guess"), SHARDS);
    let error = Accounts::get(&stranger, "users", "a").await.unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("401"), "{error}");
}

async fn write_one(client: &StoreClient) {
    let value = Some(json!({"email": "a@x"}));
    let write = Write { table: "users".to_owned(), key: "a".to_owned(), expect: Expect::Any, value };
    Accounts::commit(client, vec![write]).await.unwrap();
}

#[tokio::test]
async fn data_survive_a_restart() {
    for engine in ENGINES {
        let data = tempfile::tempdir().unwrap();
        let first = node(data.path(), engine).await;
        write_one(&first.client).await;
        stop(first).await;
        let second = node(data.path(), engine).await;
        assert!(Accounts::get(&*second.client, "users", "a").await.unwrap().is_some(), "{engine:?}");
        stop(second).await;
    }
}

/// The error with which a node refuses to start on this folder.
async fn refusal(data: &Path, engine: EngineKind) -> String {
    let env = os::env("test-1", data, Shutdown::default());
    let error: NodeError = run(env, config(engine)).await.expect_err("the node refuses");
    error.to_string()
}

#[tokio::test]
async fn damaged_data_are_refused_by_the_file_s_name() {
    for engine in ENGINES {
        let data = tempfile::tempdir().unwrap();
        let first = node(data.path(), engine).await;
        write_one(&first.client).await;
        stop(first).await;
        let marker = data.path().join("archgen-store.json");
        let text = std::fs::read_to_string(&marker).unwrap();
        std::fs::write(&marker, text.replace("\"test\"", "\"other\"")).unwrap();
        assert!(refusal(data.path(), engine).await.contains("archgen-store.json"), "another store's folder");
        std::fs::write(&marker, text.replace("\"nodes\":1", "\"nodes\":3")).unwrap();
        let error = refusal(data.path(), engine).await;
        assert!(error.contains("made with 3 nodes and is begun with 1"), "another number of nodes: {error}");
        std::fs::write(&marker, "{").unwrap();
        assert!(refusal(data.path(), engine).await.contains("archgen-store.json"), "an unreadable marker");
        std::fs::remove_file(&marker).unwrap();
        let error = refusal(data.path(), engine).await;
        assert!(error.contains("engine"), "data without a marker is no empty store: {error}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_the_log_is_refused_and_a_torn_tail_is_cut() {
    let data = tempfile::tempdir().unwrap();
    let first = node(data.path(), EngineKind::Log).await;
    write_one(&first.client).await;
    stop(first).await;
    let log = data.path().join("engine/log");
    let good = std::fs::read(&log).unwrap();
    let second = node(data.path(), EngineKind::Log).await;
    let value = Some(json!({"email": "b@x"}));
    let write = Write { table: "users".to_owned(), key: "b".to_owned(), expect: Expect::Any, value };
    Accounts::commit(&*second.client, vec![write]).await.unwrap();
    stop(second).await;
    let longer = std::fs::read(&log).unwrap();
    std::fs::write(&log, &longer[..good.len() + (longer.len() - good.len()) / 2]).unwrap();
    let third = node(data.path(), EngineKind::Log).await;
    assert!(Accounts::get(&*third.client, "users", "a").await.unwrap().is_some());
    assert!(Accounts::get(&*third.client, "users", "b").await.unwrap().is_none());
    stop(third).await;
    assert_eq!(std::fs::read(&log).unwrap(), good, "the torn tail is gone from the file too");
    let mut bad = good;
    let middle = bad.len() - 2;
    bad[middle] ^= 1;
    std::fs::write(&log, bad).unwrap();
    let error = refusal(data.path(), EngineKind::Log).await;
    assert!(error.contains("engine/log") && error.contains("checksum"), "{error}");
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Damages each of fjall's files in turn, in a copy of the folder: the engine refuses, or still has everything. It is never empty.
#[tokio::test]
async fn no_damage_to_fjall_s_files_passes_for_an_empty_store() {
    let data = tempfile::tempdir().unwrap();
    let first = node(data.path(), EngineKind::Fjall).await;
    for _ in 0..50 {
        write_one(&first.client).await;
    }
    stop(first).await;
    let open = |folder: &Path| {
        let env = os::env("test-1", folder, Shutdown::default());
        archgen_store::engine::open(&env, EngineKind::Fjall)
    };
    let mut refused = 0;
    for damaged in files(data.path()) {
        let copy = tempfile::tempdir().unwrap();
        for file in files(data.path()) {
            let to = copy.path().join(file.strip_prefix(data.path()).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&file, to).unwrap();
        }
        let target = copy.path().join(damaged.strip_prefix(data.path()).unwrap());
        let mut bytes = std::fs::read(&target).unwrap();
        let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        for byte in &mut bytes[used / 2..(used / 2 + 8).min(used)] {
            *byte ^= 0xff;
        }
        std::fs::write(&target, bytes).unwrap();
        match open(copy.path()) {
            Ok(engine) => assert_eq!(engine.scan(b"a", b"z", 99, false).unwrap().len(), 2, "{}", target.display()),
            Err(error) => {
                assert!(error.to_string().contains("`engine` is corrupt"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused >= 3, "the journal, the tables and their lists are checked: {refused}");
}

#[tokio::test]
async fn a_marker_without_its_data_is_no_empty_store() {
    for engine in ENGINES {
        let data = tempfile::tempdir().unwrap();
        let first = node(data.path(), engine).await;
        write_one(&first.client).await;
        stop(first).await;
        std::fs::remove_dir_all(data.path().join("engine")).unwrap();
        for _ in 0..2 {
            let error = refusal(data.path(), engine).await;
            assert!(error.contains("`engine`") && error.contains("there are none"), "{engine:?}: {error}");
        }
    }
    let data = tempfile::tempdir().unwrap();
    let first = node(data.path(), EngineKind::Log).await;
    stop(first).await;
    std::fs::write(data.path().join("engine/log"), b"").unwrap();
    assert!(refusal(data.path(), EngineKind::Log).await.contains("there are none"), "an emptied log");
}

#[tokio::test]
async fn a_damaged_length_in_the_log_does_not_pass_for_a_torn_tail() {
    let data = tempfile::tempdir().unwrap();
    let first = node(data.path(), EngineKind::Log).await;
    write_one(&first.client).await;
    stop(first).await;
    let log = data.path().join("engine/log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[1] ^= 0x10;
    std::fs::write(&log, bytes).unwrap();
    let error = refusal(data.path(), EngineKind::Log).await;
    assert!(error.contains("engine/log") && error.contains("byte 0") && error.contains("length"), "{error}");
}

/// The first file below this folder whose bytes hold the text.
fn file_with(folder: &Path, text: &[u8]) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = file_with(&path, text) {
                return Some(found);
            }
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|w| w == text) {
            return Some(path);
        }
    }
    None
}

#[tokio::test]
async fn a_flipped_bit_in_fjall_s_journal_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let first = node(data.path(), EngineKind::Fjall).await;
    write_one(&first.client).await;
    stop(first).await;
    let journal = file_with(&data.path().join("engine"), b"a@x").unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    let at = bytes.windows(3).position(|w| w == b"a@x").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let error = refusal(data.path(), EngineKind::Fjall).await;
    assert!(error.contains("`engine` is corrupt"), "{error}");
}

#[tokio::test]
async fn of_two_appends_at_one_head_one_applies_and_calls_at_once_all_count() {
    for engine in ENGINES {
        let data = tempfile::tempdir().unwrap();
        let node = node(data.path(), engine).await;
        let client = &node.client;
        let channel = ChannelId::from("1");
        let shard = slot_of(channel.0.as_bytes(), SHARDS);
        let epoch = client.lease("one", "life", &[shard], 60_000).await.unwrap()[0].epoch;
        let rivals = (0..20u64).map(|n| {
            let entry = NewEntry {
                id: n.to_string().into(),
                kind: "message.created".to_owned(),
                author: "ada".into(),
                ts: n,
                client_msg_id: None,
                data: json!({}),
                adds: Counts::default(),
                index: None,
                revises: None,
            };
            let channel = channel.clone();
            client.append(Append { shard, epoch, channel, head: 0, dedup_ms: 1_000, entries: vec![entry] })
        });
        let outcomes = join_all(rivals).await;
        let applied = outcomes.iter().filter(|o| matches!(o, Ok(Appended::Applied(_)))).count();
        let moved = outcomes.iter().filter(|o| matches!(o, Ok(Appended::HeadMoved { head: 1 }))).count();
        assert_eq!((applied, moved), (1, 19), "{engine:?}: {outcomes:?}");
        let claims = (0..20).map(|n| {
            let value = Some(json!({"email": "one@x"}));
            let write = Write { table: "users".to_owned(), key: n.to_string(), expect: Expect::Absent, value };
            Accounts::commit(&**client, vec![write])
        });
        let won = join_all(claims).await.into_iter().filter(|c| matches!(c, Ok(Commit::Applied))).count();
        assert_eq!(won, 1, "{engine:?}: a unique value has one holder");
        stop(node).await;
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_refuses_and_nothing_was_applied() {
    let data = tempfile::tempdir().unwrap();
    let env = os::env("test-1", data.path(), Shutdown::default());
    let config = config(EngineKind::Log);
    let client = StoreClient::new(&env, vec![config.address], config.key, SHARDS);
    assert!(Accounts::get(&client, "users", "a").await.unwrap_err().is_refusal());
}
