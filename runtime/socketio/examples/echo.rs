//! A server for conformance suites and interoperability tests. Socket.IO at `/socket.io` in the namespaces `/` and `/custom`:
//! emits `auth` on connection, echoes `message` as `message-back` and `large` as `large-back`, acknowledges `message-with-ack`,
//! asks its client by `question` and emits the answer as `answered` on `ask-me`, disconnects on `kick-me` and `close-me`, refuses
//! the credentials `{"refuse": true}`. Bare Engine.IO at `/engine.io`: echoes text and bytes.
//!
//! `cargo run -p archgen-socketio --example echo -- --port 3000 --ping-interval 300 --ping-timeout 200 --connect-timeout 1000`
//! is what the protocol's own suites ask for.

use std::{io, sync::Arc};

use archgen_env::{Env, http::ServerLimits, net::Address, os, task::Shutdown};
use archgen_socketio::{
    Arguments, Config, ConnectError, Connection, Handler, Messages, Namespace, Server, Socket,
    engine::{Part, RateLimit},
};
use async_trait::async_trait;
use serde_json::{Value, json};

const USAGE: &str =
    "flags, each with a number: --port --ping-interval --ping-timeout --connect-timeout (ms) --max-payload (bytes)";
/// Wait for a client's answer to `question`.
const ANSWER_MS_MAX: u64 = 5_000;

struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn connect(&self, socket: &Socket, auth: Value) -> Result<(), ConnectError> {
        if auth.get("refuse") == Some(&Value::Bool(true)) {
            return Err(ConnectError::new("not today").with_data(json!({"code": "refused"})));
        }
        socket.emit("auth", auth);
        Ok(())
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: Arguments) -> Option<Arguments> {
        let text = |otherwise: &'static str| arguments.first().as_str().unwrap_or(otherwise).to_owned();
        match name {
            "message" => drop(socket.emit("message-back", arguments)),
            "message-with-ack" => return Some(arguments),
            "large" => drop(socket.emit("large-back", arguments)),
            "ask-me" => match socket.emit_with_ack("question", arguments, ANSWER_MS_MAX).await {
                Ok(answer) => drop(socket.emit("answered", answer)),
                Err(error) => drop(socket.emit("unanswered", json!(error.to_string()))),
            },
            "close-me" => socket.close_transport(&text("closed")),
            "kick-me" => socket.disconnect(&text("kicked")),
            _ => {}
        }
        None
    }

    async fn disconnect(&self, _: &Socket, _: &str) {}
}

#[async_trait]
impl Messages for Echo {
    async fn message(&self, connection: &Connection, message: Part) {
        connection.send(message);
    }
}

/// Serves until the order to stop, with these namespaces besides its own.
pub async fn serve(env: &Env, port: u16, config: Config, more: Vec<Namespace>) -> io::Result<()> {
    let config = Config { messages: RateLimit::NONE, message_bytes: RateLimit::NONE, ..config };
    let bare = Config { path: "/engine.io".to_owned(), ..config.clone() };
    let mut namespaces = vec![Namespace::main(Arc::new(Echo)), Namespace::named("/custom", Arc::new(Echo))];
    namespaces.extend(more);
    let sockets = Server::with_namespaces(env, config, namespaces);
    let routes = sockets.router().merge(Server::bare(env, bare, Arc::new(Echo)).router());
    let limits = ServerLimits::default();
    archgen_env::http::serve(env, &Address::new("127.0.0.1", port), routes, limits).await
}

fn arguments() -> io::Result<(u16, Config)> {
    let mut port = 3_000;
    let mut config = Config { connect_timeout_ms: 45_000, ..Config::default() };
    let mut all = std::env::args().skip(1);
    while let Some(flag) = all.next() {
        let value = all.next().and_then(|value| value.parse::<u64>().ok());
        let value = value.ok_or_else(|| io::Error::other(format!("{flag} needs a number; {USAGE}")))?;
        match flag.as_str() {
            "--port" => port = u16::try_from(value).map_err(io::Error::other)?,
            "--ping-interval" => config.ping_interval_ms = value,
            "--ping-timeout" => config.ping_timeout_ms = value,
            "--connect-timeout" => config.connect_timeout_ms = value,
            "--max-payload" => config.max_payload_bytes = usize::try_from(value).map_err(io::Error::other)?,
            _ => return Err(io::Error::other(format!("unknown flag {flag}; {USAGE}"))),
        }
    }
    Ok((port, config))
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let (port, config) = arguments()?;
    let env = os::env("echo", &std::env::temp_dir(), Shutdown::default());
    serve(&env, port, config, Vec::new()).await
}
