//! The server over in-memory streams, with the crate's own client and with bare frames, on a paused clock.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use archgen_env::{Env, os, task::Shutdown};
use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::{Semaphore, watch},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

use super::{AckError, Config, ConnectError, Handler, Middleware, Namespace, Origins, Server, Socket};
use crate::{
    Arguments,
    client::{Client, ClientError, Event, Options},
    engine::RateLimit,
};

/// Writes down what happens to it; `gate` lets the event `wait` go on.
struct Recorder {
    log: watch::Sender<Vec<String>>,
    sockets: Mutex<Vec<Socket>>,
    gate: Semaphore,
}

impl Recorder {
    fn note(&self, line: String) {
        self.log.send_modify(|log| log.push(line));
    }

    fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    fn socket(&self) -> Socket {
        self.sockets.lock().unwrap().last().cloned().expect("a socket connected")
    }

    /// Waits until this was written down.
    async fn until(&self, line: &str) {
        let mut log = self.log.subscribe();
        let seen = log.wait_for(|log| log.iter().any(|one| one == line));
        tokio::time::timeout(Duration::from_secs(600), seen)
            .await
            .unwrap_or_else(|_| panic!("never saw `{line}`, but {:?}", self.log()))
            .unwrap();
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn connect(&self, socket: &Socket, auth: Value) -> Result<(), ConnectError> {
        socket.emit("early", auth.clone());
        tokio::task::yield_now().await;
        if auth["token"] == "bad" {
            return Err(ConnectError::new("bad token").with_data(json!({"code": "expired"})));
        }
        self.sockets.lock().unwrap().push(socket.clone());
        self.note("connect".to_owned());
        Ok(())
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: Arguments) -> Option<Arguments> {
        match name {
            "ask-back" => {
                let answer = socket.emit_with_ack("question", arguments.clone(), 5_000).await;
                self.note(format!("answer {:?}", answer.map(|answer| answer.values)));
                return Some(arguments);
            }
            "piped" => {
                self.note(format!("begin {}", arguments.first()));
                self.gate.acquire().await.unwrap().forget();
            }
            "wait" => self.gate.acquire().await.unwrap().forget(),
            "panic" => panic!("a handler's bug"),
            // Every third event takes longer than those after it.
            _ if arguments.first().as_u64().is_some_and(|n| n % 3 == 0) => {
                tokio::time::sleep(Duration::from_millis(3)).await
            }
            _ => {}
        }
        self.note(format!("{name} {}", arguments.first()));
        Some(arguments)
    }

    fn is_pipelined(&self, name: &str) -> bool {
        name == "piped"
    }

    async fn disconnect(&self, socket: &Socket, reason: &str) {
        let namespace = socket.namespace().trim_start_matches('/');
        self.note(format!("disconnect{namespace}: {reason}"));
    }
}

/// Lets nobody in who is on no list, and notes that it was asked.
struct Guard(Arc<Recorder>, &'static str);

#[async_trait]
impl Middleware for Guard {
    async fn connect(&self, _: &Socket, auth: &Value) -> Result<(), ConnectError> {
        self.0.note(format!("asked {}", self.1));
        if auth["list"] == self.1 { Ok(()) } else { Err(ConnectError::new(format!("not on {}", self.1))) }
    }
}

struct World {
    env: Env,
    server: Server,
    recorder: Arc<Recorder>,
}

fn world(config: Config) -> World {
    let env = os::env("n1", Path::new("."), Shutdown::default());
    let recorder =
        Arc::new(Recorder { log: watch::channel(Vec::new()).0, sockets: Mutex::default(), gate: Semaphore::new(0) });
    let custom = Namespace::named("/custom", recorder.clone());
    let guarded = Namespace::named("/guarded", recorder.clone())
        .through(Arc::new(Guard(recorder.clone(), "a")))
        .through(Arc::new(Guard(recorder.clone(), "b")));
    let namespaces = vec![Namespace::main(recorder.clone()), custom, guarded];
    let server = Server::with_namespaces(&env, Config { node: "n1".to_owned(), ..config }, namespaces);
    World { env, server, recorder }
}

/// A connection to the server, whose kernel buffers hold 4 KiB.
fn dial(world: &World) -> DuplexStream {
    let (near, far) = tokio::io::duplex(4_096);
    let service = TowerToHyperService::new(world.server.router());
    world.env.spawn("http", async move {
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
        let _ = connection.with_upgrades().await;
    });
    near
}

async fn connect(world: &World, auth: Value) -> Result<(Client, crate::client::Events), ClientError> {
    Client::connect(&world.env, dial(world), Options::new("n1", auth)).await
}

/// A bare WebSocket, past the open packet.
async fn bare(world: &World) -> WebSocketStream<DuplexStream> {
    let uri = "ws://n1/socket.io/?EIO=4&transport=websocket";
    let (mut socket, _) = tokio_tungstenite::client_async(uri, dial(world)).await.unwrap();
    assert!(text(&mut socket).await.unwrap().starts_with("0{\"sid\":\"n1."));
    socket
}

/// The next text frame; `None` at the end.
async fn text(socket: &mut WebSocketStream<DuplexStream>) -> Option<String> {
    match socket.next().await? {
        Ok(Message::Text(text)) => Some(text.to_string()),
        Ok(_) | Err(_) => None,
    }
}

async fn request(
    world: &World,
    method: Method,
    query: &str,
    headers: HeaderMap,
    body: &str,
) -> (StatusCode, HeaderMap, String) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(dial(world))).await.unwrap();
    world.env.spawn("http", async move { drop(connection.await) });
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *request.method_mut() = method;
    *request.uri_mut() = format!("/socket.io/?{query}").parse().unwrap();
    *request.headers_mut() = headers;
    request.headers_mut().insert(header::HOST, "n1".parse().unwrap());
    let response = sender.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = Body::new(body).collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(world: &World, query: &str) -> (StatusCode, String) {
    let (status, _, body) = request(world, Method::GET, query, HeaderMap::new(), "").await;
    (status, body)
}

async fn post(world: &World, sid: &str, body: &str) -> StatusCode {
    let query = format!("EIO=4&transport=polling&sid={sid}");
    request(world, Method::POST, &query, HeaderMap::new(), body).await.0
}

async fn poll(world: &World, sid: &str) -> (StatusCode, String) {
    get(world, &format!("EIO=4&transport=polling&sid={sid}")).await
}

async fn open_polling(world: &World) -> String {
    let (status, body) = get(world, "EIO=4&transport=polling").await;
    assert_eq!(status, StatusCode::OK);
    crate::engine::Open::decode(&body).unwrap().sid
}

#[tokio::test(start_paused = true)]
async fn events_sent_at_once_are_all_handled_in_order() {
    let world = world(Config::default());
    let mut socket = bare(&world).await;
    let burst = std::iter::once("40".to_owned()).chain((0..500).map(|n| format!("42[\"e\",{n}]")));
    let (mut sink, mut stream) = {
        for frame in burst {
            socket.feed(Message::text(frame)).await.unwrap();
        }
        socket.split()
    };
    let read = async { while stream.next().await.is_some() {} };
    tokio::select! {
        biased;
        () = world.recorder.until("e 499") => {}
        _ = sink.flush() => world.recorder.until("e 499").await,
        () = read => panic!("closed early: {:?}", world.recorder.log()),
    }
    let expect: Vec<String> = std::iter::once("connect".to_owned()).chain((0..500).map(|n| format!("e {n}"))).collect();
    assert_eq!(world.recorder.log(), expect);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_deciding_follows_the_grant_and_dies_with_a_refusal() {
    let world = world(Config::default());
    let mut socket = bare(&world).await;
    socket.send(Message::text("40{\"token\":\"bad\"}")).await.unwrap();
    let refusal = r#"44{"message":"bad token","data":{"code":"expired"}}"#;
    assert_eq!(text(&mut socket).await.as_deref(), Some(refusal));
    socket.send(Message::text("40{\"token\":\"good\"}")).await.unwrap();
    assert!(text(&mut socket).await.unwrap().starts_with("40{\"sid\":\"n1."));
    assert_eq!(text(&mut socket).await.as_deref(), Some(r#"42["early",{"token":"good"}]"#));
    let refused = connect(&world, json!({"token": "bad"})).await.unwrap_err();
    let data = Some(json!({"code": "expired"}));
    assert_eq!(refused, ClientError::Refused { message: "bad token".to_owned(), data });
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_and_the_end_of_a_connection() {
    let world = world(Config::default());
    let (client, mut events) = connect(&world, json!({})).await.unwrap();
    assert!(client.socket_id().starts_with("n1."));
    assert_eq!(client.emit_with_ack("e", vec![json!(1), json!("é")], 1_000).await, Ok(vec![json!(1), json!("é")]));
    let early = Event::Message { name: "early".to_owned(), arguments: vec![json!({})] };
    assert_eq!(events.next().await, Some(early));
    // Long enough for many heartbeats.
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(client.emit_with_ack("e", vec![json!(2)], 1_000).await, Ok(vec![json!(2)]));
    client.disconnect().await;
    assert_eq!(events.next().await, Some(Event::Disconnected { reason: "io client disconnect".to_owned() }));
    assert_eq!(events.next().await, None);
    world.recorder.until("disconnect: client namespace disconnect").await;
    assert_eq!(client.emit("e", vec![json!(3)]).await, Err(ClientError::Disconnected));
    let socket = world.recorder.socket();
    assert!(!socket.emit("late", Value::Null), "a socket that is gone sends nothing");
}

#[tokio::test(start_paused = true)]
async fn the_last_event_arrives_before_the_close() {
    let world = world(Config::default());
    for (leave, reason) in [(true, "io server disconnect"), (false, "transport close")] {
        let (_client, mut events) = connect(&world, json!({})).await.unwrap();
        world.recorder.socket().emit("n", json!(1));
        if leave {
            world.recorder.socket().disconnect("revoked");
        } else {
            world.recorder.socket().close_transport("revoked");
        }
        assert!(!world.recorder.socket().emit("n", json!(2)), "nothing follows the farewell");
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            seen.push(match event {
                Event::Message { name, arguments } => format!("{name} {}", arguments[0]),
                Event::Disconnected { reason } => reason,
            });
        }
        assert_eq!(seen, ["early {}", "n 1", r#"kick {"reason":"revoked"}"#, reason]);
        world.recorder.until("disconnect: revoked").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_lost_its_rights_sees_nothing_more() {
    let world = world(Config::default());
    let (_client, mut events) = connect(&world, json!({})).await.unwrap();
    world.recorder.socket().emit("secret", json!(1));
    world.recorder.socket().revoke("revoked");
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(match event {
            Event::Message { name, .. } => name,
            Event::Disconnected { reason } => reason,
        });
    }
    assert_eq!(seen, ["early", "kick", "io server disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_none_are_told_why() {
    let world = world(Config::default());
    // Unmasked; a reserved opcode; a control frame in parts; a length beyond every bound; text that is not UTF-8.
    let frames: [(&[u8], CloseCode); 5] = [
        (&[0x81, 0x01, b'4'], CloseCode::Protocol),
        (&[0x83, 0x80, 0, 0, 0, 0], CloseCode::Protocol),
        (&[0x09, 0x80, 0, 0, 0, 0], CloseCode::Protocol),
        (&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], CloseCode::Size),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], CloseCode::Invalid),
    ];
    for (frame, code) in frames {
        let mut stream = bare(&world).await.into_inner();
        stream.write_all(frame).await.unwrap();
        let mut seen = Vec::new();
        stream.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen[0], 0x88, "{frame:x?}: no close frame");
        assert_eq!(CloseCode::from(u16::from_be_bytes([seen[2], seen[3]])), code, "{frame:x?}");
    }
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    assert_eq!(client.emit_with_ack("e", vec![json!(1)], 1_000).await, Ok(vec![json!(1)]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_a_prefix_then_the_reason() {
    let world = world(Config { send_queue_packets_max: 50, ..Config::default() });
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    world.recorder.until("connect").await;
    let filler = "x".repeat(500);
    let mut accepted = 0;
    while world.recorder.socket().emit("n", json!([accepted, filler])) {
        accepted += 1;
        // The task gets its turn to write, as far as the reader lets it.
        tokio::task::yield_now().await;
        assert!(accepted < 10_000, "the queue has no end");
    }
    let mut seen = Vec::new();
    while let Some(frame) = text(&mut socket).await {
        seen.push(frame);
    }
    assert_eq!(seen.pop().as_deref(), Some(r#"42["kick",{"reason":"slow_consumer"}]"#));
    let numbers: Vec<u64> = seen[2..]
        .iter()
        .map(|frame| serde_json::from_str::<Value>(&frame[2..]).unwrap()[1][0].as_u64().unwrap())
        .collect();
    assert!(!numbers.is_empty() && numbers.len() <= accepted);
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "a prefix without a gap");
    world.recorder.until("disconnect: slow_consumer").await;
    assert_eq!(world.server.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_nothing_at_all_is_let_go_in_time() {
    let world = world(Config { send_queue_bytes_max: 10_000, ..Config::default() });
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    world.recorder.until("connect").await;
    let before = tokio::time::Instant::now();
    while world.recorder.socket().emit("n", json!("x".repeat(1_000))) {
        tokio::task::yield_now().await;
    }
    world.recorder.until("disconnect: slow_consumer").await;
    assert!(before.elapsed() <= Duration::from_millis(1_100), "{:?}", before.elapsed());
    drop(socket);
}

#[tokio::test(start_paused = true)]
async fn pipelined_events_begin_in_order_and_others_wait_for_their_end() {
    let world = world(Config::default());
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    for n in 1..=600 {
        client.emit("piped", vec![json!(n)]).await.unwrap();
    }
    client.emit("other", vec![json!(0)]).await.unwrap();
    // As many as may be under way, and the next one only when one of them has ended.
    world.recorder.until("begin 512").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = |count: usize| (1..=count).map(|n| format!("begin {n}"));
    assert_eq!(world.recorder.log(), ["connect".to_owned()].into_iter().chain(began(512)).collect::<Vec<_>>());
    world.recorder.gate.add_permits(100);
    world.recorder.until("begin 600").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let log = world.recorder.log();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("begin")).cloned().collect::<Vec<_>>(),
        began(600).collect::<Vec<_>>()
    );
    assert_eq!(log.iter().filter(|line| line.starts_with("piped")).count(), 100);
    assert!(!log.contains(&"other 0".to_owned()));
    // A client that is gone has still said what it said.
    drop(client);
    world.recorder.gate.add_permits(500);
    world.recorder.until("other 0").await;
    let log = world.recorder.log();
    assert_eq!(log.iter().filter(|line| line.starts_with("piped")).count(), 600);
}

#[tokio::test(start_paused = true)]
async fn a_busy_handler_holds_its_client_back_and_misses_no_pong() {
    let world = world(Config { receive_queue_packets_max: 8, ..Config::default() });
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    client.emit("wait", vec![]).await.unwrap();
    let sender = client.clone();
    let sent = Arc::new(AtomicBool::new(false));
    let done = sent.clone();
    world.env.spawn("sender", async move {
        for n in 0..300 {
            sender.emit("e", vec![json!(n), json!("x".repeat(100))]).await.unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    // Far longer than the heartbeat allows.
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(!sent.load(Ordering::SeqCst), "the client was not held back");
    assert_eq!(world.recorder.log(), ["connect"]);
    world.recorder.gate.add_permits(1);
    world.recorder.until("e 299").await;
    let expect = ["connect".to_owned(), "wait null".to_owned()].into_iter().chain((0..300).map(|n| format!("e {n}")));
    assert_eq!(world.recorder.log(), expect.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn silent_clients_are_let_go() {
    let world = world(Config::default());
    let before = tokio::time::Instant::now();
    let mut socket = bare(&world).await;
    while text(&mut socket).await.is_some() {}
    assert_eq!(before.elapsed().as_secs(), 10, "no connection to the namespace");
    let before = tokio::time::Instant::now();
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    world.recorder.until("disconnect: ping timeout").await;
    assert_eq!(before.elapsed().as_secs(), 45, "no pong");
    drop(socket);
    assert_eq!(world.server.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn too_much_at_once_is_refused_on_both_transports() {
    let world = world(Config { max_payload_bytes: 1_000, ..Config::default() });
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    world.recorder.until("connect").await;
    let large = format!("42[\"e\",\"{}\"]", "x".repeat(2_000));
    socket.send(Message::text(large.clone())).await.unwrap();
    let code = loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => break frame.map(|frame| frame.code),
            Some(Ok(_)) => {}
            other => panic!("closed without a code: {other:?}"),
        }
    };
    assert_eq!(code, Some(CloseCode::Size));
    world.recorder.until("disconnect: payload too large").await;
    let sid = open_polling(&world).await;
    assert_eq!(post(&world, &sid, &large).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(poll(&world, &sid).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn garbage_closes_the_session_and_nothing_else() {
    let world = world(Config::default());
    for garbage in
        ["", "x", "7", "2", "5", "4", "4abc", "42{}", "42[\"e\",1]", "40[", "b", "b*", "451-[\"e\",{}]\u{1e}4"]
    {
        let mut socket = bare(&world).await;
        socket.send(Message::text(garbage)).await.unwrap();
        assert_eq!(text(&mut socket).await, None, "{garbage}");
        let sid = open_polling(&world).await;
        // Packets are refused at once; what they say is looked at when it is their turn.
        let (posted, polled) = (post(&world, &sid, garbage).await, poll(&world, &sid).await);
        let refused = posted == StatusCode::BAD_REQUEST && polled.0 == StatusCode::BAD_REQUEST;
        assert!(refused || polled == (StatusCode::OK, "1".to_owned()), "{garbage}: {posted} {polled:?}");
    }
    let mut socket = bare(&world).await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(text(&mut socket).await, None);
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    assert_eq!(client.emit_with_ack("e", vec![json!(1)], 1_000).await, Ok(vec![json!(1)]));
}

#[tokio::test(start_paused = true)]
async fn hostile_input_is_refused_with_a_reason_and_harms_nobody() {
    let world = world(Config::default());
    let (witness, _events) = connect(&world, json!({})).await.unwrap();
    let nested = |depth: usize| format!("42[\"e\",{}{}]", "[".repeat(depth), "]".repeat(depth));
    for (input, reason) in [
        (format!("42[\"e\",\"{}\"]", "x".repeat(5_000_000)), "payload too large"),
        (nested(100_000), "payload too large"),
        (nested(10_000), "parse error"),
        (format!("42[\"e\",[{}0]]", "0,".repeat(999_999)), "payload too large"),
        (format!("42[\"e\",[{}{{}}]]", r#"{"":0},"#.repeat(100_000)), "payload too large"),
        ("4299999999999999999999[\"e\"]".to_owned(), "parse error"),
        ("4399999999999999999999[]".to_owned(), "parse error"),
        ("42[\"disconnect\"]".to_owned(), "parse error"),
        (format!("40/{},", "n".repeat(200)), "parse error"),
        ("459999999999-[\"e\"]".to_owned(), "parse error"),
    ] {
        let mut socket = bare(&world).await;
        socket.send(Message::text("40")).await.unwrap();
        while text(&mut socket).await.as_deref() != Some("42[\"early\",{}]") {}
        // What is refused by its announced length is not read to its end.
        let _ = socket.send(Message::text(input)).await;
        while text(&mut socket).await.is_some() {}
        world.recorder.until(&format!("disconnect: {reason}")).await;
        world.recorder.log.send_modify(Vec::clear);
    }
    // Large, but what the limits allow: 400,000 elements; more namespaces than there are.
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    socket.send(Message::text(format!("428[\"e\",1,[{}0]]", "0,".repeat(400_000)))).await.unwrap();
    while !text(&mut socket).await.unwrap().starts_with("438[1,[0,0") {}
    for number in 0..1_000 {
        socket.send(Message::text(format!("40/n{number},"))).await.unwrap();
        assert!(text(&mut socket).await.unwrap().starts_with("44/n"));
    }
    for query in ["EIO=4&transport=polling&sid=n1.AAAAAAAAAAAAAAAAAAAAAA", "EIO=4&transport=polling&sid=../../etc"] {
        assert_eq!(get(&world, query).await.0, StatusCode::BAD_REQUEST, "{query}");
    }
    let forged = "ws://n1/socket.io/?EIO=4&transport=websocket&sid=n1.AAAAAAAAAAAAAAAAAAAAAA";
    assert!(tokio_tungstenite::client_async(forged, dial(&world)).await.is_err());
    assert_eq!(witness.emit_with_ack("e", vec![json!(1)], 1_000).await, Ok(vec![json!(1)]));
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_refused() {
    let world = world(Config {
        sessions_max: 1,
        origins: Origins::These(vec!["https://app.example".to_owned()]),
        ..Config::default()
    });
    let version = (StatusCode::BAD_REQUEST, r#"{"code":5,"message":"Unsupported protocol version"}"#.to_owned());
    assert_eq!(get(&world, "EIO=3&transport=polling").await, version);
    let transport = (StatusCode::BAD_REQUEST, r#"{"code":0,"message":"Transport unknown"}"#.to_owned());
    assert_eq!(get(&world, "EIO=4&transport=pigeon").await, transport);
    let session = (StatusCode::BAD_REQUEST, r#"{"code":1,"message":"Session ID unknown"}"#.to_owned());
    assert_eq!(poll(&world, "n1.nobody").await, session);
    assert_eq!(get(&world, "EIO=4&transport=websocket").await.0, StatusCode::BAD_REQUEST);
    let from = |origin: &str| HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
    let (status, ..) = request(&world, Method::GET, "EIO=4&transport=polling", from("https://evil.example"), "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, headers, _) = request(&world, Method::OPTIONS, "EIO=4", from("https://app.example"), "").await;
    assert_eq!(
        (status, &headers[header::ACCESS_CONTROL_ALLOW_ORIGIN]),
        (StatusCode::NO_CONTENT, &"https://app.example".parse().unwrap())
    );
    let (status, headers, _) = request(&world, Method::GET, "EIO=4&transport=polling", from("http://n1"), "").await;
    assert_eq!((status, &headers[header::VARY]), (StatusCode::OK, &"Origin".parse().unwrap()));
    let (status, headers, _) = request(&world, Method::GET, "EIO=4&transport=polling", HeaderMap::new(), "").await;
    assert_eq!((status, &headers[header::RETRY_AFTER]), (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_its_poll_has_left() {
    let world = world(Config::default());
    let sid = open_polling(&world).await;
    assert_eq!(post(&world, &sid, "40").await, StatusCode::OK);
    world.recorder.until("connect").await;
    assert!(poll(&world, &sid).await.1.starts_with("40{"));
    tokio::select! {
        biased;
        answered = poll(&world, &sid) => panic!("nothing to say, but {answered:?}"),
        () = tokio::time::sleep(Duration::from_millis(10)) => {}
    }
    world.recorder.until("disconnect: transport close").await;
    assert_eq!(poll(&world, &sid).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_handlers_panic_ends_its_session_alone() {
    let world = world(Config::default());
    let (_other, _events) = connect(&world, json!({})).await.unwrap();
    let (client, mut events) = connect(&world, json!({})).await.unwrap();
    assert_eq!(client.emit_with_ack("panic", vec![], 1_000).await, Err(ClientError::Disconnected));
    while events.next().await.is_some() {}
    assert_eq!(world.server.sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_all_and_takes_none() {
    let world = world(Config::default());
    let (_client, mut events) = connect(&world, json!({})).await.unwrap();
    let sid = open_polling(&world).await;
    let (polled, ()) = tokio::join!(poll(&world, &sid), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        world.server.shutdown("shutdown").await;
    });
    assert_eq!(polled, (StatusCode::OK, "1".to_owned()));
    assert_eq!(world.server.sessions(), 0);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event);
    }
    assert!(
        matches!(&seen[1], Event::Message { name, arguments } if name == "drain" && arguments[0]["after_ms"].as_u64().unwrap() < 2_000)
    );
    assert!(
        matches!(&seen[2], Event::Message { name, arguments } if name == "kick" && arguments[0]["reason"] == "shutdown")
    );
    assert_eq!(seen[3], Event::Disconnected { reason: "transport close".to_owned() });
    assert_eq!(connect(&world, json!({})).await.unwrap_err(), ClientError::Status(503));
}

#[tokio::test(start_paused = true)]
async fn a_client_misses_the_servers_pings() {
    let (near, far) = tokio::io::duplex(4_096);
    let silent = async {
        let mut socket = tokio_tungstenite::accept_async(far).await.unwrap();
        let open = r#"0{"sid":"s","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000}"#;
        socket.send(Message::text(open)).await.unwrap();
        socket.send(Message::text(r#"40{"sid":"id"}"#)).await.unwrap();
        let mut stream = socket.into_inner();
        // Reads what comes and says nothing.
        let mut sink = Vec::new();
        let _ = stream.read_to_end(&mut sink).await;
    };
    let env = os::env("c1", Path::new("."), Shutdown::default());
    env.spawn("silent-server", silent);
    let (_client, mut events) = Client::connect(&env, near, Options::new("n1", Value::Null)).await.unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(events.next().await, Some(Event::Disconnected { reason: "ping timeout".to_owned() }));
    assert_eq!(before.elapsed().as_millis(), 500);
}

/// Sends these frames after the open packet; returns the texts that come until there are as many as expected.
async fn converse(world: &World, frames: &[Message], expect: usize) -> Vec<Message> {
    let mut socket = bare(world).await;
    for frame in frames {
        socket.send(frame.clone()).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < expect {
        match socket.next().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => seen.push(message),
            other => panic!("after {seen:?}: {other:?}"),
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn binary_parts_go_both_ways_at_any_depth() {
    let world = world(Config::default());
    let event = r#"452-7["e",{"_placeholder":true,"num":1},{"deep":[{"_placeholder":true,"num":0}]}]"#;
    let (one, two) = (Message::binary(vec![1u8, 2, 3]), Message::binary(vec![0u8; 500]));
    let frames = [Message::text("40"), Message::text(event), one.clone(), two.clone()];
    let seen = converse(&world, &frames, 5).await;
    let ack = r#"462-7[{"_placeholder":true,"num":1},{"deep":[{"_placeholder":true,"num":0}]}]"#;
    assert_eq!(seen[2..], [Message::text(ack), one, two]);
    // The same by polling, with the parts in a payload of their own.
    let sid = open_polling(&world).await;
    assert_eq!(post(&world, &sid, &format!("40\u{1e}{event}\u{1e}bAQID")).await, StatusCode::OK);
    assert_eq!(post(&world, &sid, "b").await, StatusCode::OK);
    world.recorder.until(r#"e {"_placeholder":true,"num":1}"#).await;
    let mut polled = String::new();
    while !polled.ends_with("\u{1e}bAQID\u{1e}b") {
        polled = poll(&world, &sid).await.1;
    }
    assert!(polled.contains(ack), "{polled}");
}

#[tokio::test(start_paused = true)]
async fn binary_parts_that_break_the_rules_end_the_session() {
    let world = world(Config { max_payload_bytes: 1_000, attachments_max: 2, ..Config::default() });
    let head = Message::text(r#"452-["e",{"_placeholder":true,"num":0}]"#);
    let bytes = |count: usize| Message::binary(vec![0u8; count]);
    for (frames, reason) in [
        (vec![bytes(1)], "parse error"),
        (vec![head.clone(), Message::text("42[\"e\"]")], "parse error"),
        (vec![Message::text(r#"453-["e"]"#)], "parse error"),
        (vec![Message::text(r#"451-["e",{"_placeholder":true,"num":7}]"#)], "parse error"),
        (vec![head, bytes(600), bytes(600)], "payload too large"),
    ] {
        let mut socket = bare(&world).await;
        socket.send(Message::text("40")).await.unwrap();
        for frame in frames {
            socket.send(frame).await.unwrap();
        }
        while text(&mut socket).await.is_some() {}
        world.recorder.until(&format!("disconnect: {reason}")).await;
        world.recorder.log.send_modify(Vec::clear);
    }
}

#[tokio::test(start_paused = true)]
async fn namespaces_are_apart() {
    let world = world(Config::default());
    let mut socket = bare(&world).await;
    for frame in ["40", "40/custom,{\"n\":1}", "40/nowhere,", "42/custom,5[\"e\",1]", "41/custom,", "426[\"e\",2]"] {
        socket.send(Message::text(frame)).await.unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(text(&mut socket).await.unwrap());
    }
    assert!(seen[0].starts_with("40{\"sid\":") && seen[2].starts_with("40/custom,{\"sid\":"), "{seen:?}");
    assert_eq!([&*seen[1], &*seen[3]], ["42[\"early\",{}]", "42/custom,[\"early\",{\"n\":1}]"]);
    assert_eq!(seen[4..], ["44/nowhere,{\"message\":\"Invalid namespace\"}", "43/custom,5[1]", "436[2]"]);
    world.recorder.until("disconnectcustom: client namespace disconnect").await;
    // What belongs to a namespace that the client is not in breaks the protocol.
    socket.send(Message::text("42/custom,[\"e\",3]")).await.unwrap();
    assert_eq!(text(&mut socket).await, None);
    world.recorder.until("disconnect: parse error").await;
}

#[tokio::test(start_paused = true)]
async fn middleware_is_asked_in_order_until_one_refuses() {
    let world = world(Config::default());
    let seen = converse(&world, &[Message::text("40/guarded,{\"list\":\"a\"}")], 1).await;
    assert_eq!(seen, [Message::text("44/guarded,{\"message\":\"not on b\"}")]);
    let seen = converse(&world, &[Message::text("40/guarded,{\"list\":\"c\"}")], 1).await;
    assert_eq!(seen, [Message::text("44/guarded,{\"message\":\"not on a\"}")]);
    assert_eq!(world.recorder.log(), ["asked a", "asked b", "asked a"]);
}

#[tokio::test(start_paused = true)]
async fn the_server_asks_and_the_client_acknowledges() {
    let world = world(Config::default());
    let mut socket = bare(&world).await;
    // The acknowledgement stands behind another event, which waits for the handler that waits for the acknowledgement.
    for frame in ["40", "42[\"ask-back\",1]", "42[\"e\",1]"] {
        socket.send(Message::text(frame)).await.unwrap();
    }
    while text(&mut socket).await.as_deref() != Some("420[\"question\",1]") {}
    socket.send(Message::text("430[\"yes\"]")).await.unwrap();
    world.recorder.until("e 1").await;
    assert_eq!(world.recorder.log()[1..], ["answer Ok([String(\"yes\")])", "e 1"]);
    // None, one that nobody asked for, and one that comes after the client has left.
    let seat = world.recorder.socket();
    assert_eq!(seat.emit_with_ack("q", json!(1), 100).await, Err(AckError::Timeout(100)));
    socket.send(Message::text("4399[]")).await.unwrap();
    let asked = seat.emit_with_ack("q", json!(1), 1_000);
    socket.send(Message::text("41")).await.unwrap();
    assert_eq!(asked.await, Err(AckError::Disconnected));
    assert_eq!(seat.emit_with_ack("q", json!(1), 1_000).await, Err(AckError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_fast_is_read_later_and_loses_nothing() {
    let world = world(Config {
        messages: RateLimit { per_second_max: 100, burst_max: 50 },
        receive_queue_packets_max: 16,
        ..Config::default()
    });
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    let before = tokio::time::Instant::now();
    for n in 0..1_000 {
        client.emit("n", vec![json!(1 + 3 * n)]).await.unwrap();
    }
    world.recorder.until("n 2998").await;
    let expect: Vec<String> = (0..1_000).map(|n| format!("n {}", 1 + 3 * n)).collect();
    assert_eq!(world.recorder.log()[1..], expect);
    assert!((9_000..11_000).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn five_thousand_clients_that_speak_at_once_are_all_heard() {
    let world = world(Config { admission: RateLimit::NONE, ..Config::default() });
    let clients = (0..5_000).map(|number| {
        let world = &world;
        async move {
            let mut socket = bare(world).await;
            for frame in ["40".to_owned(), format!("42{number}[\"first\",{}]", 3 * number + 1)] {
                socket.feed(Message::text(frame)).await.unwrap();
            }
            socket.flush().await.unwrap();
            let acknowledged = format!("43{number}[{}]", 3 * number + 1);
            while text(&mut socket).await.expect("the first event was lost") != acknowledged {}
            socket
        }
    });
    let held = futures_util::future::join_all(clients).await;
    let handled = world.recorder.log().iter().filter(|line| line.starts_with("first ")).count();
    assert_eq!((held.len(), handled, world.server.sessions()), (5_000, 5_000, 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_herd_is_let_in_at_the_nodes_pace() {
    let world = world(Config { admission: RateLimit { per_second_max: 10, burst_max: 3 }, ..Config::default() });
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(&world, json!({})).await.unwrap());
    }
    assert_eq!(connect(&world, json!({})).await.unwrap_err(), ClientError::Status(503));
    tokio::time::sleep(Duration::from_millis(100)).await;
    held.push(connect(&world, json!({})).await.unwrap());
    assert_eq!(world.server.sessions(), 4);
}

#[tokio::test(start_paused = true)]
async fn volatile_events_go_first_when_a_reader_is_slow() {
    let world = world(Config { send_queue_packets_max: 8, ..Config::default() });
    let sid = open_polling(&world).await;
    assert_eq!(post(&world, &sid, "40").await, StatusCode::OK);
    world.recorder.until("connect").await;
    while world.recorder.socket().emit_volatile("typing", json!(0)) {}
    for n in 0..6 {
        assert!(world.recorder.socket().emit("n", json!(n)), "{n}");
    }
    let mut polled = String::new();
    while !polled.contains("[\"n\",5]") {
        polled.push_str(&poll(&world, &sid).await.1);
    }
    assert!(!polled.contains("typing"), "{polled}");
}

#[tokio::test(start_paused = true)]
async fn bare_engine_io_echoes_text_and_bytes() {
    struct Echo;
    #[async_trait]
    impl super::Messages for Echo {
        async fn message(&self, connection: &super::Connection, message: crate::engine::Part) {
            connection.send(message);
        }
    }
    let mut world = world(Config::default());
    let config = Config { path: "/engine.io".to_owned(), ..Config::default() };
    world.server = Server::bare(&world.env, config, Arc::new(Echo));
    let (mut socket, _) =
        tokio_tungstenite::client_async("ws://n1/engine.io/?EIO=4&transport=websocket", dial(&world)).await.unwrap();
    let open = socket.next().await.unwrap().unwrap();
    assert!(open.to_text().unwrap().starts_with('0'));
    // Longer than the time that a Socket.IO client would have to join.
    tokio::time::sleep(Duration::from_secs(20)).await;
    for message in [Message::text("4hello"), Message::binary(vec![1u8, 2])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
}
