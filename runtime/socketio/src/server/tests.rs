//! The server over in-memory streams, with the crate's own client and with bare frames, on a paused clock: what all of its tests use.

mod connections;
mod events;
mod pressure;
mod refusals;

use std::{
    path::Path,
    sync::{Arc, Mutex},
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
    io::{AsyncReadExt, DuplexStream},
    sync::{Semaphore, watch},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use super::{Config, ConnectError, Handler, Middleware, Namespace, Server, Socket};
use crate::{
    Arguments,
    client::{Client, ClientError, Options},
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
