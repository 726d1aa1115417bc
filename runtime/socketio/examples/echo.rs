//! A server for conformance suites and interoperability tests: emits `auth` on connection, echoes `message` as
//! `message-back` and `large` as `large-back`, acknowledges `message-with-ack`, disconnects on `kick-me` and `close-me`,
//! refuses the credentials `{"refuse": true}`.
//!
//! `cargo run -p archgen-socketio --example echo -- --port 3000 --ping-interval 300 --ping-timeout 200 --connect-timeout 1000`

use std::{io, sync::Arc};

use archgen_env::{Env, http::ServerLimits, net::Address, os, task::Shutdown};
use archgen_socketio::{Config, ConnectError, Encoded, Handler, Server, Socket};
use async_trait::async_trait;
use serde_json::{Value, json};

struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn connect(&self, socket: &Socket, auth: Value) -> Result<(), ConnectError> {
        if auth.get("refuse") == Some(&Value::Bool(true)) {
            return Err(ConnectError::new("not today").with_data(json!({"code": "refused"})));
        }
        socket.emit("auth", &auth);
        Ok(())
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: Vec<Value>) -> Option<Vec<Value>> {
        match name {
            "message" => {
                socket.emit_encoded(&Encoded::event_with("message-back", &arguments));
                None
            }
            "message-with-ack" => Some(arguments),
            "large" => {
                socket.emit_encoded(&Encoded::event_with("large-back", &arguments));
                None
            }
            "close-me" => {
                socket.close_transport(arguments.first().and_then(Value::as_str).unwrap_or("closed"));
                None
            }
            "kick-me" => {
                socket.disconnect(arguments.first().and_then(Value::as_str).unwrap_or("kicked"));
                None
            }
            _ => None,
        }
    }

    async fn disconnect(&self, _: &Socket, _: &str) {}
}

/// Serves until the order to stop.
pub async fn serve(env: &Env, port: u16, config: Config) -> io::Result<()> {
    let server = Server::new(env, config, Arc::new(Echo));
    let limits = ServerLimits::default();
    archgen_env::http::serve(env, &Address::new("127.0.0.1", port), server.router(), limits).await
}

fn arguments() -> io::Result<(u16, Config)> {
    let mut port = 3_000;
    let mut config = Config { connect_timeout_ms: 45_000, ..Config::default() };
    let mut all = std::env::args().skip(1);
    while let Some(flag) = all.next() {
        let value = all.next().and_then(|value| value.parse::<u64>().ok());
        let value = value.ok_or_else(|| io::Error::other(format!("{flag} needs a number")))?;
        match flag.as_str() {
            "--port" => port = u16::try_from(value).map_err(io::Error::other)?,
            "--ping-interval" => config.ping_interval_ms = value,
            "--ping-timeout" => config.ping_timeout_ms = value,
            "--connect-timeout" => config.connect_timeout_ms = value,
            "--max-payload" => config.max_payload_bytes = usize::try_from(value).map_err(io::Error::other)?,
            _ => return Err(io::Error::other(format!("unknown flag {flag}"))),
        }
    }
    Ok((port, config))
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let (port, config) = arguments()?;
    let env = os::env("echo", &std::env::temp_dir(), Shutdown::default());
    serve(&env, port, config).await
}
