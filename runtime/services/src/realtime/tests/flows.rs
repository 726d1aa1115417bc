//! A realtime host over loopback between stubs of messaging and the user service, judged by what its sockets see.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use archgen_env::{
    Env,
    http::{Client as Http, Limits},
    net::Address,
    task::Task,
};
use archgen_ports::ServiceKey;
use archgen_socketio::{
    Origins,
    client::{Client, ClientError, Event, Events, Options},
};
use axum::{
    Json, Router,
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::{
    host::HostContext,
    identity::{
        Claims, Revocations, TokenVerifier,
        tests::{Issuer, claims, free_address, listening, peers, start, test_env},
    },
    realtime::{Config, run},
};

/// Wait for anything that comes: long, for many tests may share a small machine.
const WAIT_MS_MAX: u64 = 120_000;

/// What the stubs keep.
#[derive(Default)]
struct Stubs {
    logs: Mutex<BTreeMap<String, Vec<Value>>>,
    sent: Mutex<Vec<u64>>,
    /// How many messages each call brought.
    calls: Mutex<Vec<usize>>,
    /// Bytes of the largest call.
    largest: AtomicUsize,
    reports: Mutex<Vec<Value>>,
    reads: AtomicUsize,
}

impl Stubs {
    fn log(&self, ask: &Value) -> Value {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let logs = self.logs.lock().unwrap();
        let log = logs.get(ask["channel"].as_str().unwrap()).cloned().unwrap_or_default();
        let (after, limit) = (ask["after_seq"].as_u64().unwrap(), ask["limit"].as_u64().unwrap() as usize);
        let items: Vec<&Value> = log.iter().filter(|e| e["seq"].as_u64().unwrap() > after).take(limit).collect();
        json!({"items": items, "head": {"epoch": 1, "seq": log.len()}})
    }

    /// Appends an entry and returns it.
    fn append(&self, channel: &str, body: &str) -> Value {
        let mut logs = self.logs.lock().unwrap();
        let log = logs.entry(channel.to_owned()).or_default();
        let seq = log.len() + 1;
        let data = json!({"id": format!("{channel}-{seq}"), "body": body});
        log.push(json!({"ch": channel, "epoch": 1, "seq": seq, "type": "message.created", "data": data}));
        log[seq - 1].clone()
    }

    fn messaging(self: &Arc<Self>) -> Router {
        let (log, heads, send) = (self.clone(), self.clone(), self.clone());
        let heads = move |Json(ask): Json<Value>| async move {
            let logs = heads.logs.lock().unwrap();
            let of = |channel: &Value| {
                let seq = logs.get(channel.as_str().unwrap()).map_or(0, Vec::len);
                json!({"channel": channel, "epoch": 1, "seq": seq})
            };
            Json(json!({"items": ask["channels"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()}))
        };
        let send = move |Json(ask): Json<Value>| async move {
            send.largest.fetch_max(ask.to_string().len(), Ordering::Relaxed);
            let mut sent = send.sent.lock().unwrap();
            let sends = ask["sends"].as_array().unwrap();
            let one = |send: &Value| {
                sent.push(send["body"]["client_msg_id"].as_str().unwrap().parse().unwrap());
                json!({"seq": sent.len()})
            };
            let items: Vec<Value> = sends.iter().map(one).collect();
            send.calls.lock().unwrap().push(items.len());
            Json(json!({"owner": "messaging-1", "items": items}))
        };
        let access = |Json(ask): Json<Value>| async move {
            let pairs = ask["pairs"].as_array().unwrap();
            Json(json!({"members": pairs.iter().map(|pair| pair[1] != "private").collect::<Vec<_>>()}))
        };
        Router::new()
            .route("/internal/log", post(move |Json(ask): Json<Value>| async move { Json(log.log(&ask)) }))
            .route("/internal/heads", post(heads))
            .route("/internal/sends", post(send))
            .route("/internal/members", post(access))
    }

    fn user(self: &Arc<Self>, issuer: &Issuer) -> Router {
        let (keys, stubs) = (json!({"keys": [issuer.published()]}), self.clone());
        let report = move |Json(body): Json<Value>| async move { stubs.reports.lock().unwrap().push(body) };
        Router::new()
            .route("/oauth2/jwks", get(move || async move { Json(keys) }))
            .route("/internal/presence", post(report))
    }
}

struct World {
    env: Env,
    stubs: Arc<Stubs>,
    issuer: Issuer,
    at: Address,
    _host: Task,
}

impl World {
    async fn new() -> Self {
        let (env, stubs, issuer) = (test_env("realtime-1"), Arc::new(Stubs::default()), Issuer::new(1));
        let (messaging, user, at) = (free_address(), free_address(), free_address());
        start(&env, &messaging, stubs.messaging()).await;
        start(&env, &user, stubs.user(&issuer)).await;
        let key = ServiceKey::new("fleet");
        let context = HostContext::new(env.clone(), "realtime", 0, 1, "a", at.clone(), key, None);
        let config = Config {
            messaging: peers(&env, "messaging", &[messaging]),
            user: peers(&env, "user", std::slice::from_ref(&user)),
            realtime: peers(&env, "realtime", std::slice::from_ref(&at)),
            verifier: TokenVerifier::new(env.clone(), peers(&env, "user", &[user]), "chat"),
            revocations: Revocations::new(None, None),
            origins: Origins::Any,
            credentials: true,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            sessions_max: 10_000,
        };
        let host = env.spawn("realtime", async move { run(context, config).await.unwrap() });
        listening(&env, &at).await;
        Self { env, stubs, issuer, at, _host: host }
    }

    fn claims(&self, user: &str, session: &str) -> Claims {
        Claims { sid: session.to_owned(), ..claims(&self.env, user) }
    }

    async fn connect(&self, claims: &Claims) -> Result<(Client, Events), ClientError> {
        let stream = self.env.net().connect(&self.at).await.unwrap();
        let auth = json!({"token": self.issuer.token(claims), "device": format!("{}-phone", claims.sub)});
        let options = Options { connect_ms_max: WAIT_MS_MAX, ..Options::new("localhost", auth) };
        Client::connect(&self.env, stream, options).await
    }

    async fn internal(&self, path: &str, body: Value) -> Value {
        let mut headers = HeaderMap::new();
        headers.insert(ServiceKey::HEADER, HeaderValue::from_static("fleet"));
        let http = Http::new(&self.env, Limits::default());
        http.json(Method::POST, &self.at, path, headers, &body).await.unwrap().json().unwrap()
    }

    async fn push(&self, events: Vec<Value>) {
        self.internal("/internal/push", json!({"events": events})).await;
    }
}

async fn ask(client: &Client, name: &str, body: Value) -> Value {
    client.emit_with_ack(name, vec![body], WAIT_MS_MAX).await.unwrap().remove(0)
}

/// The seqs of what a `sub` brought.
fn missed(answer: &Value) -> Vec<u64> {
    answer["missed"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

/// The rest of what a socket sees: names, and the reasons of its ends.
async fn rest(mut events: Events) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(match event {
            Event::Message { name, arguments } if name == "kick" => arguments[0]["reason"].as_str().unwrap().to_owned(),
            Event::Message { name, .. } => name,
            Event::Disconnected { reason } => reason,
        });
    }
    seen
}

#[tokio::test]
async fn an_ended_session_is_put_out_within_a_second_and_its_token_opens_nothing() {
    let world = World::new().await;
    let (ended, other) = (world.claims("ada", "s-1"), world.claims("ada", "s-2"));
    let (client, events) = world.connect(&ended).await.unwrap();
    let (still, _events) = world.connect(&other).await.unwrap();
    let kicked = async {
        let body = json!({"user": "ada", "session": "s-1", "reason": "revoked"});
        assert_eq!(world.internal("/internal/kick", body).await["sockets"], 1);
    };
    let (seen, ()) = tokio::time::timeout(Duration::from_secs(1), async { tokio::join!(rest(events), kicked) })
        .await
        .expect("put out within a second");
    assert_eq!(seen, ["revoked", "io server disconnect"]);
    assert_eq!(client.emit("ping:app", vec![]).await, Err(ClientError::Disconnected));
    let refused = world.connect(&ended).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused { message, .. } if message == "unauthenticated"), "{refused}");
    assert_eq!(ask(&still, "ping:app", json!({})).await["ok"], true);
    assert!(world.connect(&other).await.is_ok());
}

#[tokio::test]
async fn a_herd_that_comes_back_costs_a_read_per_channel() {
    const SOCKETS: usize = 120;
    const CHANNELS: usize = 10;
    let world = World::new().await;
    for channel in 0..CHANNELS {
        for _ in 0..120 {
            world.stubs.append(&format!("c{channel}"), "x");
        }
    }
    let token = world.claims("ada", "s-1");
    let sockets = futures_util::future::join_all((0..SOCKETS).map(|_| world.connect(&token))).await;
    let sockets: Vec<(Client, Events)> = sockets.into_iter().collect::<Result<_, _>>().unwrap();
    let subs = sockets.iter().enumerate().map(|(at, (client, _))| async move {
        ask(client, "sub", json!({"ch": format!("c{}", at % CHANNELS), "epoch": 1, "seq": 100})).await
    });
    for answer in futures_util::future::join_all(subs).await {
        assert_eq!((missed(&answer), &answer["recovered"]), ((101..=120).collect(), &json!(true)));
    }
    let reads = world.stubs.reads.load(Ordering::Relaxed);
    assert!(reads * 10 <= CHANNELS * 11, "{reads} reads for {CHANNELS} channels");
}

#[tokio::test]
async fn a_burst_of_sends_is_stored_in_the_order_sent() {
    let world = World::new().await;
    let (client, _events) = world.connect(&world.claims("ada", "s-1")).await.unwrap();
    for number in 0..5_000 {
        let message = json!({"ch": "c", "client_msg_id": number.to_string(), "body": "x"});
        client.emit("msg:send", vec![message]).await.unwrap();
    }
    assert_eq!(ask(&client, "ping:app", json!({})).await["ok"], true);
    assert_eq!(*world.stubs.sent.lock().unwrap(), (0..5_000).collect::<Vec<u64>>());
    // Later ones come no faster than a client may send.
    let calls = world.stubs.calls.lock().unwrap();
    let whole = calls.iter().filter(|sends| **sends == 128).count();
    assert!(whole >= 5 && calls.iter().all(|sends| *sends <= 128), "many go together: {calls:?}");
}

#[tokio::test]
async fn one_clients_large_events_do_not_make_the_call_too_large_for_all() {
    let world = World::new().await;
    let (bad, _events) = world.connect(&world.claims("eve", "s-2")).await.unwrap();
    let junk = "j".repeat(400_000);
    for number in 0..20 {
        let message = json!({"ch": "c", "client_msg_id": number.to_string(), "body": "x", "junk": junk});
        bad.emit("msg:send", vec![message]).await.unwrap();
    }
    assert_eq!(ask(&bad, "ping:app", json!({})).await["ok"], true);
    assert_eq!(world.stubs.sent.lock().unwrap().len(), 20);
    assert!(world.stubs.largest.load(Ordering::Relaxed) < 10_000, "what no event has is not passed on");
    let large = ask(&bad, "msg:send", json!({"ch": "c", "client_msg_id": "99", "body": junk})).await;
    assert_eq!(large["error"]["code"], "too_large");
}

#[tokio::test]
async fn a_stalled_reader_is_told_why_and_recovers_everything() {
    const MESSAGES: u64 = 12_000;
    let world = World::new().await;
    let token = world.claims("ada", "s-1");
    let (client, mut events) = world.connect(&token).await.unwrap();
    assert_eq!(ask(&client, "sub", json!({"ch": "c", "seq": 0})).await["recovered"], true);
    let (healthy, healthy_events) = world.connect(&world.claims("bob", "s-2")).await.unwrap();
    assert_eq!(ask(&healthy, "sub", json!({"ch": "c", "seq": 0})).await["recovered"], true);
    let counted = world.env.clone();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    counted.spawn("healthy", async move {
        let mut events = healthy_events;
        while events.next().await.is_some() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    // Nobody reads `events`, so its client reads no more from the network.
    let body = "x".repeat(2_000);
    for batch in 0..MESSAGES / 100 {
        world.push((0..100).map(|_| world.stubs.append("c", &body)).collect()).await;
        while (count.load(Ordering::Relaxed) as u64) < (batch + 1) * 100 {
            tokio::task::yield_now().await;
        }
    }
    let (mut seq, mut reason) = (0, String::new());
    while let Some(event) = events.next().await {
        match event {
            Event::Message { name, arguments } if name == "msg:new" => {
                assert_eq!(arguments[0]["seq"], seq + 1, "a prefix without a gap");
                seq += 1;
            }
            Event::Message { name, arguments } if name == "kick" => reason = arguments[0]["reason"].to_string(),
            _ => {}
        }
    }
    // The kernel may have let go of the last words, for the client did not read in time; the place that it knows is enough.
    assert!(seq < MESSAGES && (reason == "\"slow_consumer\"" || reason.is_empty()), "{seq} {reason}");
    let (client, _events) = world.connect(&token).await.unwrap();
    loop {
        let answer = ask(&client, "sub", json!({"ch": "c", "epoch": 1, "seq": seq})).await;
        let news = missed(&answer);
        assert_eq!(news, (seq + 1..=seq + news.len() as u64).collect::<Vec<_>>());
        seq += news.len() as u64;
        if answer["recovered"] == true {
            break;
        }
    }
    assert_eq!(seq, MESSAGES);
    assert_eq!(ask(&healthy, "ping:app", json!({})).await["ok"], true);
}

#[tokio::test]
async fn a_token_near_its_end_is_refreshed_in_place() {
    let world = World::new().await;
    let short = Claims { exp: world.env.wall_ms() / 1_000 + 20, ..world.claims("ada", "s-1") };
    let (client, mut events) = world.connect(&short).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(20), events.next()).await.unwrap();
    let expiring =
        Event::Message { name: "auth:expiring".to_owned(), arguments: vec![json!({"expires_s": short.exp})] };
    assert_eq!(told, Some(expiring));
    let stranger = world.issuer.token(&world.claims("eve", "s-3"));
    assert_eq!(ask(&client, "auth:refresh", json!({"token": stranger})).await["error"]["code"], "another_user");
    assert_eq!(ask(&client, "auth:refresh", json!({"token": "no"})).await["error"]["code"], "unauthenticated");
    let fresh = world.claims("ada", "s-1");
    let answer = ask(&client, "auth:refresh", json!({"token": world.issuer.token(&fresh)})).await;
    assert_eq!((&answer["ok"], &answer["expires_s"]), (&json!(true), &json!(fresh.exp)));
}

#[tokio::test]
async fn a_node_that_stops_tells_its_sockets_when_to_come_back_and_they_resume_elsewhere() {
    let (world, next) = (World::new().await, World::new().await);
    let token = world.claims("ada", "s-1");
    let (client, mut events) = world.connect(&token).await.unwrap();
    assert_eq!(ask(&client, "sub", json!({"ch": "c", "seq": 0})).await["recovered"], true);
    for _ in 0..3 {
        world.push(vec![world.stubs.append("c", "before")]).await;
        next.stubs.append("c", "before");
    }
    world.env.shutdown().trigger("a rolling restart");
    let (mut seq, mut order) = (0, Vec::new());
    while let Some(event) = events.next().await {
        match event {
            Event::Message { name, arguments } if name == "msg:new" => seq = arguments[0]["seq"].as_u64().unwrap(),
            Event::Message { name, arguments } if name == "drain" => {
                assert!(arguments[0]["after_ms"].as_u64().unwrap() < 2_000, "{arguments:?}");
                order.push(name);
            }
            Event::Message { name, arguments } => order.push(format!("{name} {}", arguments[0]["reason"])),
            Event::Disconnected { reason } => order.push(reason),
        }
    }
    assert_eq!(
        (seq, order),
        (3, vec!["drain".to_owned(), "kick \"shutdown\"".to_owned(), "transport close".to_owned()])
    );
    next.stubs.append("c", "meanwhile");
    let (client, _events) = next.connect(&token).await.unwrap();
    let answer = ask(&client, "sub", json!({"ch": "c", "epoch": 1, "seq": seq})).await;
    assert_eq!((missed(&answer), &answer["recovered"]), (vec![4], &json!(true)));
}

#[tokio::test]
async fn typing_is_told_to_the_others_once_a_moment() {
    let world = World::new().await;
    let (ada, _ada_events) = world.connect(&world.claims("ada", "s-1")).await.unwrap();
    let (bob, mut events) = world.connect(&world.claims("bob", "s-2")).await.unwrap();
    assert_eq!(ask(&ada, "typing", json!({"ch": "c"})).await["error"]["code"], "not_subscribed");
    for client in [&ada, &bob] {
        assert_eq!(ask(client, "sub", json!({"ch": "c"})).await["ok"], true);
    }
    for _ in 0..3 {
        assert_eq!(ask(&ada, "typing", json!({"ch": "c"})).await["ok"], true);
    }
    let entry = world.stubs.append("c", "x");
    world.push(vec![entry.clone()]).await;
    let typing = json!({"ch": "c", "user": "ada"});
    assert_eq!(events.next().await, Some(Event::Message { name: "typing".to_owned(), arguments: vec![typing] }));
    assert_eq!(events.next().await, Some(Event::Message { name: "msg:new".to_owned(), arguments: vec![entry] }));
}

#[tokio::test]
async fn who_shows_a_badge_hears_that_there_is_more_and_not_what() {
    let world = World::new().await;
    world.stubs.append("hot", "first");
    let (ada, mut ada_events) = world.connect(&world.claims("ada", "s-1")).await.unwrap();
    let (bob, mut bob_events) = world.connect(&world.claims("bob", "s-2")).await.unwrap();
    assert_eq!(ask(&ada, "sub", json!({"ch": "private", "badge": true})).await["error"]["code"], "not_found");
    let answer = ask(&ada, "sub", json!({"ch": "hot", "badge": true})).await;
    assert_eq!((&answer["ok"], &answer["head"]["seq"]), (&json!(true), &json!(1)));
    assert_eq!(ask(&bob, "sub", json!({"ch": "hot"})).await["ok"], true);
    let entries: Vec<Value> = (0..100).map(|_| world.stubs.append("hot", "words")).collect();
    world.push(entries).await;
    let tick = json!({"ch": "hot", "epoch": 1, "seq": 101});
    let mut ticks = Vec::new();
    while ticks.last() != Some(&tick) {
        match ada_events.next().await.unwrap() {
            Event::Message { name, arguments } if name == "unread" => ticks.push(arguments[0].clone()),
            other => panic!("{other:?}"),
        }
    }
    assert!(ticks.len() < 5, "{ticks:?}");
    for _ in 0..100 {
        assert!(matches!(bob_events.next().await, Some(Event::Message { name, .. }) if name == "msg:new"));
    }
    // A push that was lost shows at the next look at the heads.
    world.stubs.append("hot", "unheard");
    let told = json!({"ch": "hot", "epoch": 1, "seq": 102});
    let heard = Event::Message { name: "unread".to_owned(), arguments: vec![told] };
    assert_eq!(ada_events.next().await, Some(heard));
    // Opened, it brings bodies and no ticks; a removal ends either.
    let opened = ask(&ada, "sub", json!({"ch": "hot", "seq": 101})).await;
    assert_eq!(missed(&opened), [102]);
    assert_eq!(ask(&ada, "sub", json!({"ch": "hot", "badge": true})).await["ok"], true);
    assert_eq!(world.internal("/internal/out", json!({"user": "ada", "channel": "hot"})).await["sockets"], 1);
    assert!(matches!(ada_events.next().await, Some(Event::Message { name, .. }) if name == "chan:left"));
    world.push(vec![world.stubs.append("hot", "secret")]).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    world.internal("/internal/kick", json!({"user": "ada"})).await;
    assert_eq!(rest(ada_events).await.iter().filter(|name| *name == "unread").count(), 0);
}

#[tokio::test]
async fn presence_is_reported_many_at_a_time_and_by_device() {
    let world = World::new().await;
    let mut held = Vec::new();
    for number in 0..120 {
        held.push(world.connect(&world.claims(&format!("u{number}"), "s")).await.unwrap());
    }
    assert_eq!(ask(&held[7].0, "presence:set", json!({"status": "idle"})).await["ok"], true);
    let expect = json!({"user": "u7", "status": "away", "devices": {"u7-phone": "away"}});
    let reported = async {
        loop {
            let last = {
                let reports = world.stubs.reports.lock().unwrap();
                reports.iter().flat_map(|r| r["reports"].as_array().unwrap()).rfind(|r| r["user"] == "u7").cloned()
            };
            if last.as_ref() == Some(&expect) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reported).await.expect("the device's state is reported");
    let reports = world.stubs.reports.lock().unwrap();
    let users: Vec<usize> = reports.iter().map(|r| r["reports"].as_array().unwrap().len()).collect();
    assert!(users.iter().all(|count| (1..=50).contains(count)), "{users:?}");
}

#[tokio::test]
async fn places_that_nobody_can_have_and_channels_that_one_may_not_see() {
    let world = World::new().await;
    world.stubs.append("c", "x");
    let (client, mut events) = world.connect(&world.claims("ada", "s-1")).await.unwrap();
    assert_eq!(ask(&client, "sub", json!({"ch": "private", "seq": 0})).await["error"]["code"], "not_found");
    assert_eq!(ask(&client, "sub", json!({"seq": 0})).await["error"]["code"], "invalid_request");
    let future = ask(&client, "sub", json!({"ch": "c", "epoch": 9, "seq": u64::MAX - 1})).await;
    assert_eq!((missed(&future), &future["head"]["seq"]), (vec![], &json!(1)));
    let next = world.stubs.append("c", "y");
    world.push(vec![next.clone()]).await;
    assert_eq!(events.next().await, Some(Event::Message { name: "msg:new".to_owned(), arguments: vec![next] }));
    for number in 0..2_000 {
        ask(&client, "sub", json!({"ch": format!("n{number}")})).await;
    }
    assert_eq!(ask(&client, "sub", json!({"ch": "one more"})).await["error"]["code"], "too_many_channels");
    let wrong = Claims { aud: "another".to_owned(), ..world.claims("ada", "s-1") };
    assert!(matches!(world.connect(&wrong).await, Err(ClientError::Refused { .. })));
}
