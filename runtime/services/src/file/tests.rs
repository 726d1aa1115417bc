//! The file service over loopback with stores in memory, and sniffing and intents as pure units.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use archgen_env::{
    Env,
    http::{Client, Limits, Problem, Reply},
    net::Address,
};
use archgen_ports::{
    Envelope, ServiceKey, StoreError, UserId,
    accounts::{Expect, Row},
    blobs::{BlobInfo, Blobs, Grant},
    documents::{Documents, Put},
    events::{Events, Record},
};
use async_trait::async_trait;
use axum::{Json, Router, routing::post};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Config,
    document::Stage,
    intent::{Intent, id_of},
    run, sniff,
};
use crate::{
    host::HostContext,
    identity::tests::{free_address, listening, peers, start, test_env},
};

#[derive(Default)]
struct Stores {
    documents: Mutex<BTreeMap<String, (u64, Value)>>,
    blobs: Mutex<BTreeMap<String, Bytes>>,
    grants: Mutex<Vec<(String, Grant)>>,
    events: Mutex<Vec<Envelope>>,
    log_is_down: AtomicBool,
}

#[async_trait]
impl Documents for Stores {
    async fn get(&self, _: &str, key: &str) -> Result<Option<Row>, StoreError> {
        let row = |(version, value): (u64, Value)| Row { key: key.to_owned(), version, value };
        Ok(self.documents.lock().unwrap().get(key).cloned().map(row))
    }

    async fn find(
        &self,
        _: &str,
        field: &str,
        value: &str,
        _: Option<&str>,
        _: bool,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let all = self.documents.lock().unwrap();
        let fits = all.iter().filter(|(_, (_, v))| v[field] == value).take(limit);
        Ok(fits.map(|(k, (version, v))| Row { key: k.clone(), version: *version, value: v.clone() }).collect())
    }

    async fn scan(&self, _: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let all = self.documents.lock().unwrap();
        let later = all.iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).take(limit);
        Ok(later.map(|(k, (version, v))| Row { key: k.clone(), version: *version, value: v.clone() }).collect())
    }

    async fn put(&self, _: &str, key: &str, expect: Expect, value: Option<Value>) -> Result<Put, StoreError> {
        let mut all = self.documents.lock().unwrap();
        let there = all.get(key).map(|(version, _)| *version);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => there.is_none(),
            Expect::Version(version) => there == Some(version),
        };
        if !holds {
            return Ok(Put::Conflict);
        }
        let version = there.unwrap_or(0) + 1;
        match value {
            Some(value) => all.insert(key.to_owned(), (version, value)),
            None => all.remove(key),
        };
        Ok(Put::Applied(version))
    }
}

#[async_trait]
impl Blobs for Stores {
    async fn presign(&self, _: &str, key: &str, grant: Grant, expires_ms: u64) -> Result<String, StoreError> {
        self.grants.lock().unwrap().push((key.to_owned(), grant));
        Ok(format!("http://blobs/{key}?expires={expires_ms}"))
    }

    async fn info(&self, _: &str, key: &str) -> Result<Option<BlobInfo>, StoreError> {
        let info = |b: &Bytes| BlobInfo { size_bytes: b.len() as u64, sha256: sha256(b) };
        Ok(self.blobs.lock().unwrap().get(key).map(info))
    }

    async fn first_bytes(&self, _: &str, key: &str, bytes_max: usize) -> Result<Bytes, StoreError> {
        let blobs = self.blobs.lock().unwrap();
        let blob = blobs.get(key).ok_or_else(|| StoreError::Refused("missing".to_owned()))?;
        Ok(blob.slice(..blob.len().min(bytes_max)))
    }

    async fn delete(&self, _: &str, key: &str) -> Result<(), StoreError> {
        self.blobs.lock().unwrap().remove(key);
        Ok(())
    }
}

#[async_trait]
impl Events for Stores {
    async fn partitions(&self, _: &str) -> Result<u16, StoreError> {
        Ok(1)
    }

    async fn publish(&self, topic: &str, events: Vec<Envelope>) -> Result<(), StoreError> {
        assert_eq!(topic, "file");
        if self.log_is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Indeterminate("cut off".to_owned()));
        }
        self.events.lock().unwrap().extend(events);
        Ok(())
    }

    async fn fetch(&self, _: &str, _: u16, _: u64, _: usize, _: u64) -> Result<Vec<Record>, StoreError> {
        Ok(vec![])
    }

    async fn committed(&self, _: &str, _: &str, _: u16) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn commit(&self, _: &str, _: &str, _: u16, _: u64) -> Result<(), StoreError> {
        Ok(())
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

struct World {
    env: Env,
    client: Client,
    address: Address,
    stores: Arc<Stores>,
    members: Arc<Mutex<BTreeSet<String>>>,
}

impl World {
    async fn new() -> Self {
        Self::over(Arc::default()).await
    }

    async fn over(stores: Arc<Stores>) -> Self {
        let (env, address, messaging) = (test_env("file-1"), free_address(), free_address());
        let members = Arc::new(Mutex::new(BTreeSet::from(["ada".to_owned(), "bob".to_owned()])));
        let asked = members.clone();
        let access = move |Json(body): Json<Value>| async move {
            let member = body["channel"] == "7" && asked.lock().unwrap().contains(body["user"].as_str().unwrap());
            Json(json!({"member": member, "role": "member", "name": "general"}))
        };
        start(&env, &messaging, Router::new().route("/internal/access", post(access))).await;
        let config = Config {
            documents: stores.clone(),
            blobs: stores.clone(),
            bucket: "files".to_owned(),
            events: Some(stores.clone()),
            topic: "file".to_owned(),
            messaging: peers(&env, "messaging", &[messaging]),
            file_bytes_max: 1_000,
            upload_ms_max: 600_000,
            download_ms_max: 60_000,
        };
        let key = ServiceKey::new("fleet");
        let context = HostContext::new(env.clone(), "file", 0, 1, "local", address.clone(), key, None);
        env.spawn("file", async move { run(context, config).await.unwrap() });
        listening(&env, &address).await;
        Self { client: Client::new(&env, Limits::default()), env, address, stores, members }
    }

    async fn call(&self, method: Method, path: &str, user: &str, extra: &[(&str, &str)], body: Value) -> Reply {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-archgen-service-key", "fleet"), ("x-auth-subject", user)].iter().chain(extra) {
            headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        self.client.json(method, &self.address, path, headers, &body).await.unwrap()
    }

    async fn intend(&self, user: &str, body: Value) -> Reply {
        self.call(Method::POST, "/api/v1/files", user, &[], body).await
    }

    async fn at(&self, method: Method, user: &str, id: &str, below: &str) -> Reply {
        self.call(method, &format!("/api/v1/files/{id}{below}"), user, &[], json!({})).await
    }

    /// Puts bytes where the intent's URL leads.
    fn upload(&self, intent: &Value, bytes: &[u8]) {
        let url = intent["upload"]["url"].as_str().unwrap();
        let object = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
        self.stores.blobs.lock().unwrap().insert(object, Bytes::copy_from_slice(bytes));
    }

    async fn ready(&self, name: &str, bytes: &[u8]) -> String {
        let reply = self.intend("ada", json!({"name": name, "size": bytes.len(), "channel": "7"})).await;
        assert_eq!(reply.status, StatusCode::CREATED);
        let intent: Value = reply.json().unwrap();
        self.upload(&intent, bytes);
        let id = intent["id"].as_str().unwrap().to_owned();
        assert_eq!(self.at(Method::POST, "ada", &id, "/complete").await.status, StatusCode::OK);
        id
    }

    fn told(&self) -> Vec<String> {
        self.stores.events.lock().unwrap().iter().map(|e| e.kind.clone()).collect()
    }
}

fn code(reply: &Reply) -> (u16, String) {
    let problem: Problem = reply.json().unwrap();
    (reply.status.as_u16(), problem.code)
}

#[tokio::test]
async fn a_file_goes_up_and_comes_down() {
    let world = World::new().await;
    let bytes = b"\x89PNG\r\n\x1a\n picture";
    let body = json!({"name": "a.png", "size": bytes.len(), "channel": "7", "sha256": sha256(bytes)});
    let intent: Value = world.intend("ada", body).await.json().unwrap();
    assert_eq!(intent["state"], "pending");
    assert_eq!(intent["upload"]["method"], "PUT");
    let id = intent["id"].as_str().unwrap();
    assert_eq!(code(&world.at(Method::POST, "ada", id, "/complete").await), (409, "not_uploaded".to_owned()));
    assert_eq!(code(&world.at(Method::GET, "ada", id, "/content").await), (409, "not_ready".to_owned()));
    // Nobody else knows of a file that is not ready.
    assert_eq!(world.at(Method::GET, "bob", id, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.at(Method::POST, "bob", id, "/complete").await.status, StatusCode::NOT_FOUND);
    world.upload(&intent, bytes);
    for _ in 0..2 {
        let file: Value = world.at(Method::POST, "ada", id, "/complete").await.json().unwrap();
        assert_eq!((&file["state"], &file["media_type"]), (&json!("ready"), &json!("image/png")));
        assert_eq!(file["sha256"], sha256(bytes));
        assert_eq!(file.get("object"), None);
    }
    assert_eq!(world.told(), ["file.ready"]);
    let event = world.stores.events.lock().unwrap()[0].clone();
    assert_eq!((&event.data["name"], &event.data["channel"], event.key.as_str()), (&json!("a.png"), &json!("7"), id));
    let reply = world.at(Method::GET, "bob", id, "/content").await;
    assert_eq!(reply.status, StatusCode::FOUND);
    assert!(reply.headers[header::LOCATION].to_str().unwrap().starts_with("http://blobs/"));
    let (_, grant) = world.stores.grants.lock().unwrap().last().cloned().unwrap();
    assert_eq!(grant, Grant::Get { name: "a.png".to_owned(), media_type: "image/png".to_owned() });
}

#[tokio::test]
async fn access_follows_the_channel_at_once() {
    let world = World::new().await;
    let id = world.ready("a.txt", b"hello").await;
    assert_eq!(world.at(Method::GET, "bob", &id, "/content").await.status, StatusCode::FOUND);
    assert_eq!(world.at(Method::GET, "eve", &id, "/content").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.at(Method::GET, "eve", &id, "").await.status, StatusCode::NOT_FOUND);
    world.members.lock().unwrap().remove("bob");
    assert_eq!(world.at(Method::GET, "bob", &id, "/content").await.status, StatusCode::NOT_FOUND);
    let refused = world.intend("bob", json!({"name": "b.txt", "size": 1, "channel": "7"})).await;
    assert_eq!(code(&refused), (404, "not_found".to_owned()));
    // Without the fleet's key nobody is anybody.
    let bare = world.client.get(&world.address, &format!("/api/v1/files/{id}"), HeaderMap::new()).await.unwrap();
    assert_eq!(bare.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn deletion_is_the_owners_and_takes_the_bytes_along() {
    let world = World::new().await;
    let id = world.ready("a.txt", b"hello").await;
    assert_eq!(world.at(Method::DELETE, "bob", &id, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.at(Method::DELETE, "ada", &id, "").await.status, StatusCode::NO_CONTENT);
    assert!(world.stores.blobs.lock().unwrap().is_empty());
    assert_eq!(world.told(), ["file.ready", "file.deleted"]);
    assert_eq!(world.at(Method::GET, "ada", &id, "/content").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.at(Method::DELETE, "ada", &id, "").await.status, StatusCode::NO_CONTENT);
    let pending: Value = world.intend("ada", json!({"name": "b", "size": 1})).await.json().unwrap();
    let id = pending["id"].as_str().unwrap();
    assert_eq!(world.at(Method::DELETE, "ada", id, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.told().len(), 2);
}

#[tokio::test]
async fn what_runs_in_a_browser_is_never_handed_out_as_such() {
    let world = World::new().await;
    for (name, bytes, kind) in [
        ("a.png", &b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], "image/svg+xml"),
        ("b.txt", b" <!DOCTYPE html><p>hi", "text/html"),
    ] {
        let id = world.ready(name, bytes).await;
        let file: Value = world.at(Method::GET, "ada", &id, "").await.json().unwrap();
        assert_eq!(file["media_type"], kind);
        world.at(Method::GET, "ada", &id, "/content").await;
        let (_, grant) = world.stores.grants.lock().unwrap().last().cloned().unwrap();
        assert_eq!(grant, Grant::Get { name: name.to_owned(), media_type: sniff::UNKNOWN.to_owned() });
    }
}

#[tokio::test]
async fn other_bytes_than_announced_are_refused() {
    let world = World::new().await;
    let cases = [
        (json!({"name": "a", "size": 5}), &b"123456"[..]),
        (json!({"name": "a", "size": 5, "sha256": sha256(b"other")}), b"12345"),
    ];
    for (body, bytes) in cases {
        let intent: Value = world.intend("ada", body).await.json().unwrap();
        world.upload(&intent, bytes);
        let reply = world.at(Method::POST, "ada", intent["id"].as_str().unwrap(), "/complete").await;
        assert_eq!(code(&reply), (422, "mismatch".to_owned()));
        assert!(world.stores.blobs.lock().unwrap().is_empty());
    }
    assert_eq!(world.told(), Vec::<String>::new());
}

#[tokio::test]
async fn wrong_intents_are_refused() {
    let world = World::new().await;
    for (body, expected) in [
        (json!({}), 400),
        (json!({"name": "", "size": 1}), 400),
        (json!({"name": "..", "size": 1}), 400),
        (json!({"name": "a/b", "size": 1}), 400),
        (json!({"name": "a\\b", "size": 1}), 400),
        (json!({"name": "a\nb", "size": 1}), 400),
        (json!({"name": "\u{202e}gnp.exe", "size": 1}), 400),
        (json!({"name": "x".repeat(256), "size": 1}), 400),
        (json!({"name": "a", "size": -1}), 400),
        (json!({"name": "a", "size": "1"}), 400),
        (json!({"name": "a", "size": 1_001}), 413),
        (json!({"name": "a", "size": 1, "media_type": "nonsense"}), 400),
        (json!({"name": "a", "size": 1, "media_type": "text/html\r\nx: y"}), 400),
        (json!({"name": "a", "size": 1, "sha256": "ABC"}), 400),
        (json!({"name": "a", "size": 1, "channel": "8"}), 404),
    ] {
        let reply = world.intend("ada", body.clone()).await;
        assert_eq!(code(&reply).0, expected, "{body}");
    }
    let large = world.intend("ada", json!({"name": "a", "size": 1, "padding": "x".repeat(20_000)})).await;
    assert_eq!(code(&large).0, 400);
    assert!(world.stores.documents.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_repeated_intent_meets_the_same_file() {
    let world = World::new().await;
    let key = [("idempotency-key", "k-1")];
    let again = |user: &'static str, body: Value| world.call(Method::POST, "/api/v1/files", user, &key, body);
    let body = json!({"name": "a.txt", "size": 2});
    let first: Value = again("ada", body.clone()).await.json().unwrap();
    let second: Value = again("ada", body.clone()).await.json().unwrap();
    assert_eq!(first["id"], second["id"]);
    assert_eq!(world.stores.documents.lock().unwrap().len(), 1);
    assert_eq!(
        code(&again("ada", json!({"name": "b.txt", "size": 2})).await),
        (422, "idempotency_key_reused".to_owned())
    );
    let other: Value = again("bob", body.clone()).await.json().unwrap();
    assert_ne!(first["id"], other["id"]);
    world.upload(&second, b"hi");
    world.at(Method::POST, "ada", first["id"].as_str().unwrap(), "/complete").await;
    let done = again("ada", body).await;
    assert_eq!(done.status, StatusCode::OK);
    assert_eq!(done.json::<Value>().unwrap()["state"], "ready");
}

#[tokio::test]
async fn what_could_not_be_told_is_told_after_a_restart() {
    let world = World::new().await;
    world.stores.log_is_down.store(true, Ordering::SeqCst);
    let kept = world.ready("a.txt", b"hello").await;
    let gone = world.ready("b.txt", b"hello").await;
    assert_eq!(world.at(Method::DELETE, "ada", &gone, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.told(), Vec::<String>::new());
    assert_eq!(world.at(Method::GET, "bob", &kept, "").await.status, StatusCode::OK);
    // The host dies; when it comes back the changes lie a while in the past, and the event log answers again.
    world.env.shutdown().trigger("test");
    world.stores.log_is_down.store(false, Ordering::SeqCst);
    for (_, value) in world.stores.documents.lock().unwrap().values_mut() {
        value["changed_ms"] = json!(value["changed_ms"].as_u64().unwrap() - 60_000);
    }
    let again = World::over(world.stores.clone()).await;
    let settled = || {
        let all = again.stores.documents.lock().unwrap();
        let untold = [Stage::ReadyUntold, Stage::DeletedUntold].map(Stage::stored);
        !all.values().any(|(_, v)| untold.contains(&v["state"].as_str().unwrap()))
    };
    while !settled() {
        tokio::task::yield_now().await;
    }
    let mut told = again.told();
    told.sort();
    assert_eq!(told, ["file.deleted", "file.ready"]);
}

#[test]
fn bytes_are_known_by_their_beginnings() {
    for (first, announced, expected) in [
        (&b"\xff\xd8\xff\xe0"[..], "text/html", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "", "image/webp"),
        (b"%PDF-1.7", "", "application/pdf"),
        (b"PK\x03\x04..", "", "application/zip"),
        (b"PK\x03\x04..", "application/epub+zip", "application/epub+zip"),
        (b"PK\x03\x04..", "image/png", "application/zip"),
        (b"a,b\n1,2\n", "text/csv", "text/csv"),
        (b"a,b\n1,2\n", "text/html", "text/plain"),
        (b"a,b\n1,2\n", "image/svg+xml", "text/plain"),
        ("žluťoučký".as_bytes(), "", "text/plain"),
        (&"žluťoučký".as_bytes()[..1], "", sniff::UNKNOWN),
        (b"\xef\xbb\xbf<html>", "", "text/html"),
        (b"<?xml version='1.0'?><feed/>", "", "application/xml"),
        (b"<?xml version='1.0'?>\n<svg/>", "image/png", "image/svg+xml"),
        (b"text <script>alert(1)</script>", "text/plain", "text/html"),
        (b"MZ\x90\0", "image/png", "application/vnd.microsoft.portable-executable"),
        (b"\0\x01\x02", "image/png", sniff::UNKNOWN),
        (b"", "image/png", sniff::UNKNOWN),
    ] {
        assert_eq!(sniff::media_type(first, announced), expected, "{first:?} {announced}");
    }
}

proptest! {
    #[test]
    fn no_bytes_and_no_word_make_something_that_runs(first in prop::collection::vec(any::<u8>(), 0..64), announced in "[a-z/+]{0,30}") {
        let kind = sniff::media_type(&first, &announced);
        let handed = sniff::harmless(&kind);
        prop_assert!(!["text/html", "image/svg+xml", "application/xml"].contains(&handed));
    }

    #[test]
    fn intents_never_panic(name in "\\PC{0,300}", size in any::<u64>(), media_type in "\\PC{0,40}", key in "\\PC{0,200}") {
        let intent = Intent { name, size, media_type: Some(media_type), channel: None, sha256: None };
        if intent.check(1_000).is_ok() {
            prop_assert!(intent.size <= 1_000 && !intent.name.contains('/'));
        }
        if let Ok(id) = id_of(&UserId("u".to_owned()), &key) {
            prop_assert_eq!(id.len(), 36);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_membership_waits_for_the_last_download_url() {
    let grants = super::grants::Grants::default();
    let now = tokio::time::Instant::now();
    assert!(grants.note("bob", "1", 5_000, now));
    grants.dead("eve", "1").await;
    grants.dead("bob", "2").await;
    assert_eq!(tokio::time::Instant::now(), now, "nobody else waits");
    grants.dead("bob", "1").await;
    assert!(now.elapsed() >= std::time::Duration::from_secs(5));
    let then = tokio::time::Instant::now();
    grants.dead("bob", "1").await;
    assert_eq!(tokio::time::Instant::now(), then, "it is dead");
}
