//! Events in, inbox out, with a messaging host that answers as its contract says.

use std::sync::{Arc, Mutex};

use archgen_env::net::Address;
use archgen_ports::{
    Envelope, ServiceKey, StoreError,
    accounts::Expect,
    documents::Documents,
    events::{Events, Record},
};
use async_trait::async_trait;
use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    routing::{get, post},
};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{
    super::{Config, api, deliver::Deliver, state::Shared},
    documents::Store,
};
use crate::{
    consumer::{Handler, HandlerError},
    host::HostContext,
    identity::{
        SUBJECT_HEADER,
        tests::{free_address, peers, start, test_env},
    },
};

/// No event is read here: the tests hand them to the handler.
struct NoEvents;

#[async_trait]
impl Events for NoEvents {
    async fn partitions(&self, topic: &str) -> Result<u16, StoreError> {
        Err(StoreError::Refused(format!("no topic {topic}")))
    }
    async fn publish(&self, topic: &str, _: Vec<Envelope>) -> Result<(), StoreError> {
        Err(StoreError::Refused(format!("no topic {topic}")))
    }
    async fn fetch(&self, topic: &str, _: u16, _: u64, _: usize, _: u64) -> Result<Vec<Record>, StoreError> {
        Err(StoreError::Refused(format!("no topic {topic}")))
    }
    async fn committed(&self, _: &str, topic: &str, _: u16) -> Result<u64, StoreError> {
        Err(StoreError::Refused(format!("no topic {topic}")))
    }
    async fn commit(&self, _: &str, topic: &str, _: u16, _: u64) -> Result<(), StoreError> {
        Err(StoreError::Refused(format!("no topic {topic}")))
    }
}

/// Channel 1 is public with ada, bob and cy; channel 2 is a direct message of ada and bob.
fn messaging() -> Router {
    let members = |channel: &str| match channel {
        "1" => vec!["ada", "bob", "cy"],
        "2" => vec!["ada", "bob"],
        _ => vec![],
    };
    let listed = move |Path(channel): Path<String>| async move {
        let items: Vec<Value> = members(&channel).iter().map(|u| json!({"user": u, "role": "member"})).collect();
        Json(json!({"items": items, "next": null}))
    };
    let channels = move |Path(user): Path<String>| async move {
        let mine = [("1", "general", "public"), ("2", "", "dm")];
        let mine = mine.iter().filter(|(id, _, _)| members(id).contains(&user.as_str()));
        let items: Vec<Value> = mine.map(|(id, name, kind)| json!({"id": id, "name": name, "kind": kind})).collect();
        Json(json!({"items": items}))
    };
    let access = move |Json(ask): Json<Value>| async move {
        let member = members(ask["channel"].as_str().unwrap()).contains(&ask["user"].as_str().unwrap());
        Json(json!({"member": member, "role": "member", "name": ""}))
    };
    let log = |Json(ask): Json<Value>| async move {
        let seq = ask["after_seq"].as_u64().unwrap() + 1;
        let items = if seq > 4 { vec![] } else { vec![json!({"seq": seq, "type": "message.created"})] };
        Json(json!({"items": items, "head": {"epoch": 1, "seq": 4}}))
    };
    Router::new()
        .route("/internal/channels/{id}/members", get(listed))
        .route("/internal/users/{user}/channels", get(channels))
        .route("/internal/access", post(access))
        .route("/internal/log", post(log))
}

struct World {
    deliver: Deliver,
    routes: Router,
    pushed: Arc<Mutex<Vec<Value>>>,
    documents: Arc<Store>,
    began_ms: u64,
}

impl World {
    async fn new(messaging_answers: bool) -> Self {
        let env = test_env("notification-0");
        let (messaging_at, realtime_at) = (free_address(), free_address());
        if messaging_answers {
            start(&env, &messaging_at, messaging()).await;
        }
        let pushed: Arc<Mutex<Vec<Value>>> = Arc::default();
        let into = pushed.clone();
        let take = move |Json(body): Json<Value>| async move { into.lock().unwrap().push(body) };
        start(&env, &realtime_at, Router::new().route("/internal/notify", post(take))).await;
        let documents = Arc::new(Store::default());
        let began_ms = env.wall_ms();
        let config = Config {
            documents: documents.clone(),
            events: Arc::new(NoEvents),
            message_topic: "message".to_owned(),
            messaging: peers(&env, "messaging", &[messaging_at]),
            realtime: Some(peers(&env, "realtime", &[realtime_at])),
        };
        let address = Address::new("127.0.0.1", 1);
        let key = ServiceKey::new("fleet");
        let context = HostContext::new(env, "notification", 0, 1, "a", address, key, None);
        let state = Shared::new(&context, &config);
        let deliver = Deliver::new(state.clone(), &context);
        Self { deliver, routes: api::routes(state), pushed, documents, began_ms }
    }

    async fn happened(&self, channel: &str, seq: u64, author: &str, mentions: &[&str]) -> Result<(), HandlerError> {
        self.happened_with(channel, seq, author, json!({"mentions": mentions})).await
    }

    async fn happened_with(&self, channel: &str, seq: u64, author: &str, more: Value) -> Result<(), HandlerError> {
        let mut data = json!({"id": format!("90{seq}"), "channel": channel, "author": author, "body": "secret words",
            "files": [], "thread": null});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let event = Envelope {
            v: 1,
            event_id: format!("{channel}:{seq}"),
            kind: "message.created".to_owned(),
            key: channel.to_owned(),
            epoch: Some(1),
            seq: Some(seq),
            ts: self.began_ms + seq,
            actor: author.to_owned(),
            data,
        };
        self.deliver.handle("message", &event).await
    }

    async fn ask(&self, method: &str, path: &str, user: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path).header(SUBJECT_HEADER, user);
        let request = request.header(ServiceKey::HEADER, "fleet").header(header::CONTENT_TYPE, "application/json");
        let response = self.routes.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    async fn inbox(&self, user: &str, query: &str) -> Vec<String> {
        let (status, body) = self.ask("GET", &format!("/api/v1/notifications{query}"), user, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["items"].as_array().unwrap().iter().map(|item| item["event"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_mention_stands_in_the_inbox_once_and_stays_read() {
    let world = World::new(true).await;
    for _ in 0..2 {
        world.happened("1", 1, "ada", &["bob", "eve"]).await.unwrap();
    }
    world.happened("1", 2, "cy", &["bob"]).await.unwrap();
    assert_eq!(world.inbox("bob", "").await, ["1:2", "1:1"], "newest first");
    assert!(world.inbox("eve", "").await.is_empty() && world.inbox("cy", "").await.is_empty());
    let (_, page) = world.ask("GET", "/api/v1/notifications?limit=1", "bob", Value::Null).await;
    let next = format!("?limit=1&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(world.inbox("bob", &next).await, ["1:1"]);
    assert!(!page.to_string().contains("secret"), "no message text is kept here");

    let mark = json!({"ids": [page["items"][0]["id"], "unknown"]});
    let (_, marked) = world.ask("POST", "/api/v1/notifications/read", "eve", mark.clone()).await;
    assert_eq!(marked["updated"], 0, "a row is its user's alone");
    assert_eq!(world.ask("POST", "/api/v1/notifications/read", "bob", mark).await.1["updated"], 1);
    world.happened("1", 2, "cy", &["bob"]).await.unwrap();
    assert_eq!(world.inbox("bob", "?unread=true").await, ["1:1"]);
    assert_eq!(world.ask("POST", "/api/v1/notifications/read", "bob", json!({"all": true})).await.1["updated"], 1);
    assert!(world.inbox("bob", "?unread=true").await.is_empty());
}

#[tokio::test]
async fn a_keyword_notifies_a_member_and_says_so() {
    let world = World::new(true).await;
    let more = json!({"mentions": ["bob"], "keywords": ["bob", "cy", "eve", "ada"]});
    world.happened_with("1", 1, "ada", more).await.unwrap();
    let (_, page) = world.ask("GET", "/api/v1/notifications", "cy", Value::Null).await;
    assert_eq!(page["items"][0]["reason"], "keyword");
    let (_, page) = world.ask("GET", "/api/v1/notifications", "bob", Value::Null).await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["items"][0]["reason"]), (1, &json!("mention")));
    assert!(world.inbox("eve", "").await.is_empty() && world.inbox("ada", "").await.is_empty());
}

#[tokio::test]
async fn rows_that_are_too_old_go_a_few_at_a_time() {
    let world = World::new(true).await;
    let row = |seq: u64, ts: u64| {
        json!({"user": "bob", "event": format!("1:{seq}"), "channel": "1", "message": "9", "epoch": 1, "seq": seq,
            "author": "ada", "ts": ts, "reason": "mention", "read": true})
    };
    for seq in 1..=150 {
        // 91 days, and the last five of them 89.
        let ts = world.began_ms - (if seq > 145 { 89 } else { 91 }) * 86_400_000 + seq;
        let key = format!("bob:{ts:015}:1:{seq}");
        world.documents.put("inbox", &key, Expect::Absent, Some(row(seq, ts))).await.unwrap();
        let reasons = json!({"event": format!("1:{seq}"), "channel": "1", "users": {}});
        world.documents.put("reasons", &format!("1:{seq}"), Expect::Absent, Some(reasons)).await.unwrap();
    }
    world.happened("1", 200, "ada", &["bob"]).await.unwrap();
    assert_eq!(world.inbox("bob", "?limit=200").await.len(), 51, "a hundred at once");
    world.happened("1", 201, "ada", &["bob"]).await.unwrap();
    let left: Vec<String> = [201, 200].into_iter().chain((146..=150).rev()).map(|seq| format!("1:{seq}")).collect();
    assert_eq!(world.inbox("bob", "?limit=200").await, left);
    assert!(world.documents.get("reasons", "1:145").await.unwrap().is_none());
    assert!(world.documents.get("reasons", "1:146").await.unwrap().is_some());
}

#[tokio::test]
async fn a_direct_message_is_pushed_to_the_other() {
    let world = World::new(true).await;
    world.happened("2", 1, "bob", &[]).await.unwrap();
    assert_eq!(world.inbox("ada", "").await, ["2:1"]);
    assert!(world.inbox("bob", "").await.is_empty());
    let pushed = world.pushed.lock().unwrap().clone();
    assert_eq!((&pushed[0]["user"], &pushed[0]["item"]["reason"]), (&json!("ada"), &json!("direct_message")));
}

#[tokio::test]
async fn every_decision_can_be_asked_for_by_who_may_know() {
    let world = World::new(true).await;
    world.happened("1", 1, "ada", &["bob", "eve"]).await.unwrap();
    for (user, event, expected) in [
        ("bob", "1:1", Some(("notified", "mention"))),
        ("eve", "1:1", Some(("skipped", "not_member"))),
        ("cy", "1:1", Some(("skipped", "not_mentioned"))),
        ("cy", "1:3", Some(("skipped", "not_mentioned"))),
        ("cy", "1:9", None),
        ("eve", "1:3", None),
        ("cy", "2:1", None),
        ("cy", "nonsense", None),
    ] {
        let (status, body) = world.ask("GET", &format!("/api/v1/notifications/{event}/why"), user, Value::Null).await;
        match expected {
            Some((outcome, reason)) => {
                assert_eq!(body, json!({"event": event, "outcome": outcome, "reason": reason}), "{user} {event}");
            }
            None => assert_eq!(status, StatusCode::NOT_FOUND, "{user} {event}"),
        }
    }
}

#[tokio::test]
async fn an_event_waits_for_messaging_and_a_malformed_one_is_poison() {
    let world = World::new(false).await;
    let waits = world.happened("1", 1, "ada", &["bob"]).await;
    assert!(matches!(waits, Err(HandlerError::Retry(_))), "{waits:?}");
    let event: Envelope = serde_json::from_value(json!({"v": 1, "event_id": "1:1", "type": "message.created",
        "key": "1", "ts": 1, "actor": "ada", "data": {"id": 5}}))
    .unwrap();
    assert!(matches!(world.deliver.handle("message", &event).await, Err(HandlerError::Poison(_))));
    let (status, _) = world.ask("GET", "/api/v1/notifications/1:1/why", "bob", Value::Null).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}
