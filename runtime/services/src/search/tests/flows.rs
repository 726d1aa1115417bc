//! Events in, hits out, with messaging and user hosts that answer as their contracts say.

use std::sync::{Arc, Mutex};

use archgen_env::net::Address;
use archgen_ports::{Envelope, ServiceKey};
use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    routing::{get, post},
};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tower::ServiceExt;

use super::{
    super::{api, departures::Departures, feed::Feed, state::Shared, state::State},
    index::{Gate, Memory},
};
use crate::{
    consumer::{Handler, HandlerError},
    host::HostContext,
    identity::{
        SUBJECT_HEADER,
        tests::{free_address, peers, start, test_env},
    },
};

/// Members by channel, changed by the tests; and the log entries that revisions point to.
#[derive(Default)]
struct Chat {
    members: Vec<(&'static str, &'static str)>,
    log: Vec<Value>,
}

fn messaging(chat: Arc<Mutex<Chat>>) -> Router {
    let log = chat.clone();
    let channels = move |Path(user): Path<String>| async move {
        let chat = chat.lock().unwrap();
        let mine = chat.members.iter().filter(|(_, member)| *member == user);
        let items: Vec<Value> =
            mine.map(|(id, _)| json!({"id": id, "name": format!("Room-{id}"), "kind": "private"})).collect();
        Json(json!({"items": items}))
    };
    let entry = move |Json(ask): Json<Value>| async move {
        let chat = log.lock().unwrap();
        let seq = ask["after_seq"].as_u64().unwrap() + 1;
        let items: Vec<&Value> = chat.log.iter().filter(|e| e["ch"] == ask["channel"] && e["seq"] == seq).collect();
        Json(json!({"items": items, "head": {"epoch": 1, "seq": 9}}))
    };
    Router::new().route("/internal/users/{user}/channels", get(channels)).route("/internal/log", post(entry))
}

fn users() -> Router {
    let lookup = |Json(ask): Json<Value>| async move {
        let known = ask["handles"].as_array().unwrap().contains(&json!("ada"));
        Json(json!({"items": if known { vec![json!({"id": "u-ada", "handle": "ada"})] } else { vec![] }}))
    };
    Router::new().route("/internal/users/lookup", post(lookup))
}

struct World {
    feed: Feed,
    routes: Router,
    chat: Arc<Mutex<Chat>>,
    index: Arc<Memory>,
}

impl World {
    async fn new(messaging_answers: bool) -> Self {
        let env = test_env("search-0");
        let (messaging_at, user_at) = (free_address(), free_address());
        let chat = Arc::<Mutex<Chat>>::default();
        if messaging_answers {
            start(&env, &messaging_at, messaging(chat.clone())).await;
        }
        start(&env, &user_at, users()).await;
        let index = Arc::<Memory>::default();
        let state = Shared::of(State {
            key: ServiceKey::new("fleet"),
            index: index.clone(),
            messaging: peers(&env, "messaging", &[messaging_at]),
            user: peers(&env, "user", &[user_at]),
            departures: Departures::default(),
        });
        let address = Address::new("127.0.0.1", 1);
        let context = HostContext::new(env, "search", 0, 1, "a", address, ServiceKey::new("fleet"), None);
        Self { feed: Feed::new(state.clone(), &context), routes: api::routes(state), chat, index }
    }

    async fn happened(&self, kind: &str, place: Option<u64>, data: Value) -> Result<(), HandlerError> {
        let event = Envelope {
            v: 1,
            event_id: "e".to_owned(),
            kind: kind.to_owned(),
            key: "k".to_owned(),
            epoch: place.map(|_| 1),
            seq: place,
            ts: 1_000 + place.unwrap_or(0),
            actor: String::new(),
            data,
        };
        self.feed.handle("topic", &event).await
    }

    /// A message of `u-ada`, in the log and as an event, which carries no text.
    async fn said(&self, channel: &str, seq: u64, body: &str) {
        self.logged(channel, seq, body);
        let data = json!({"id": format!("{channel}0{seq}"), "channel": channel, "author": "u-ada", "ts": 1_000 + seq});
        self.happened("message.created", Some(seq), data).await.unwrap();
    }

    /// What the log says of a message now.
    fn logged(&self, channel: &str, seq: u64, body: &str) {
        let (id, ts) = (format!("{channel}0{seq}"), 1_000 + seq);
        let deleted = json!({"body": null, "deleted": true});
        let stands = json!({"body": body, "thread": null, "files": [], "mentions": []});
        let data = if body.is_empty() { deleted } else { stands };
        let entry = json!({"ch": channel, "epoch": 1, "seq": seq, "prev_seq": seq - 1, "type": "message.created", "id": id,
            "author": "u-ada", "ts": ts, "data": data});
        let log = &mut self.chat.lock().unwrap().log;
        log.retain(|e| e["ch"] != entry["ch"] || e["seq"] != entry["seq"]);
        log.push(entry);
    }

    fn join(&self, channel: &'static str, user: &'static str) {
        self.chat.lock().unwrap().members.push((channel, user));
    }

    async fn ask(&self, user: &str, query: &[(&str, &str)]) -> (StatusCode, Value) {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let request = Request::get(format!("/api/v1/search?{query}")).header(SUBJECT_HEADER, user);
        let request = request.header(ServiceKey::HEADER, "fleet").body(Body::empty()).unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    async fn ids(&self, user: &str, kind: &str, q: &str) -> Vec<String> {
        let (status, body) = self.ask(user, &[("type", kind), ("q", q)]).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn members_find_messages_and_a_removal_acts_at_once() {
    let world = World::new(true).await;
    world.join("1", "bob");
    world.join("2", "bob");
    world.said("1", 1, "The quick fox").await;
    world.said("2", 2, "A slow fox").await;
    assert_eq!(world.ids("bob", "messages", "FOX").await, ["202", "101"]);
    assert_eq!(world.ids("bob", "messages", "fox -slow").await, ["101"]);
    assert_eq!(world.ids("bob", "messages", "fox in:#room-2").await, ["202"]);
    assert_eq!(world.ids("bob", "messages", "fox from:@Ada").await, ["202", "101"]);
    assert!(world.ids("bob", "messages", "fox from:@nobody").await.is_empty());
    assert!(world.ids("eve", "messages", "fox").await.is_empty());
    world.chat.lock().unwrap().members.retain(|(channel, _)| *channel != "2");
    assert_eq!(world.ids("bob", "messages", "fox").await, ["101"]);
}

/// Messaging has found the channels, the index has found the hits, and only then the membership ends.
#[tokio::test]
async fn a_removal_that_is_confirmed_acts_on_searches_under_way() {
    let world = World::new(true).await;
    world.join("1", "bob");
    world.join("2", "bob");
    world.said("1", 1, "The quick fox").await;
    world.said("2", 2, "A slow fox").await;
    let gate = Arc::new(Gate { found: Notify::new(), open: Semaphore::new(0) });
    *world.index.gate.lock().unwrap() = Some(gate.clone());
    let removal = async {
        gate.found.notified().await;
        world.chat.lock().unwrap().members.retain(|(channel, _)| *channel != "2");
        let out = Request::post("/internal/out").header(ServiceKey::HEADER, "fleet");
        let out = out.header(header::CONTENT_TYPE, "application/json");
        let out = out.body(Body::from(r#"{"user":"bob","channel":"2"}"#)).unwrap();
        assert_eq!(world.routes.clone().oneshot(out).await.unwrap().status(), StatusCode::NO_CONTENT);
        gate.open.add_permits(10);
    };
    let (found, ()) = tokio::join!(world.ids("bob", "messages", "fox"), removal);
    assert_eq!(found, ["101"]);
    // Who is let in again sees it again.
    world.join("2", "bob");
    assert_eq!(world.ids("bob", "messages", "fox").await, ["202", "101"]);
}

#[tokio::test]
async fn pages_follow_each_other() {
    let world = World::new(true).await;
    world.join("1", "bob");
    for seq in 1..=5 {
        world.said("1", seq, "again").await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut query = vec![("q", "again"), ("limit", "2")];
        if !cursor.is_empty() {
            query.push(("cursor", &cursor));
        }
        let (_, page) = world.ask("bob", &query).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn edits_replace_and_deletions_win_in_any_order_of_events() {
    let world = World::new(true).await;
    world.join("1", "bob");
    world.said("1", 1, "before").await;
    let revision =
        |seq: u64| json!({"id": format!("10{seq}"), "channel": "1", "author": "u-ada", "ts": 5, "target_seq": 1});
    world.logged("1", 1, "after");
    world.happened("message.edited", Some(2), revision(2)).await.unwrap();
    world.happened("message.edited", Some(2), revision(2)).await.unwrap();
    assert_eq!(world.ids("bob", "messages", "after").await, ["101"]);
    assert!(world.ids("bob", "messages", "before").await.is_empty());
    world.logged("1", 1, "between");
    world.happened("message.created", Some(1), json!({"channel": "1"})).await.unwrap();
    assert!(world.ids("bob", "messages", "between").await.is_empty(), "an older event does not undo a newer one");
    world.logged("1", 1, "");
    world.happened("message.edited", Some(2), revision(2)).await.unwrap();
    world.happened("message.deleted", Some(3), revision(3)).await.unwrap();
    world.happened("message.edited", Some(2), revision(2)).await.unwrap();
    assert!(world.ids("bob", "messages", "after").await.is_empty());
}

#[tokio::test]
async fn files_and_people_are_found() {
    let world = World::new(true).await;
    world.join("1", "bob");
    let file = |id: &str, channel: Value| {
        json!({"id": id, "owner": "u-ada", "channel": channel, "size": 3,
        "name": "Report-2024.pdf", "media_type": "application/pdf"})
    };
    world.happened("file.ready", None, file("f1", json!("1"))).await.unwrap();
    world.happened("file.ready", None, file("f2", Value::Null)).await.unwrap();
    assert_eq!(world.ids("bob", "files", "report").await, ["f1"]);
    assert_eq!(world.ids("u-ada", "files", "2024 pdf").await, ["f1", "f2"]);
    assert!(world.ids("eve", "files", "report").await.is_empty());
    world.happened("file.deleted", None, file("f1", json!("1"))).await.unwrap();
    world.happened("file.ready", None, file("f1", json!("1"))).await.unwrap();
    assert!(world.ids("bob", "files", "report").await.is_empty());

    let person = |name: &str, version: u64| json!({"id": "u-ada", "handle": "ada.l", "name": name, "version": version});
    world.happened("user.updated", None, person("Ada Lovelace", 2)).await.unwrap();
    world.happened("user.created", None, person("Ada Byron", 1)).await.unwrap();
    assert_eq!(world.ids("eve", "people", "ada lov").await, ["u-ada"]);
    assert!(world.ids("eve", "people", "byron").await.is_empty());
    assert_eq!(world.ask("eve", &[("type", "people"), ("q", "in:x ada")]).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_messaging_nothing_is_shown_and_revisions_wait() {
    let world = World::new(false).await;
    let created = world.happened("message.created", Some(1), json!({"channel": "1"})).await;
    assert!(matches!(created, Err(HandlerError::Retry(_))), "{created:?}");
    assert_eq!(world.ask("bob", &[("q", "fox")]).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.ask("bob", &[("q", " ")]).await.0, StatusCode::BAD_REQUEST);
    let deleted = json!({"id": "102", "channel": "1", "target_seq": 1});
    let waits = world.happened("message.deleted", Some(2), deleted).await;
    assert!(matches!(waits, Err(HandlerError::Retry(_))), "{waits:?}");
    let poison = world.happened("message.created", None, json!({})).await;
    assert!(matches!(poison, Err(HandlerError::Poison(_))), "{poison:?}");
}
