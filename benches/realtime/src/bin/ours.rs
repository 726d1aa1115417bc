//! The server under test: rooms over archgen-socketio. Usage: `ours PORT`.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use archgen_env::{http::ServerLimits, net::Address, os, task::Shutdown};
use archgen_socketio::{Arguments, Config, ConnectError, Encoded, Handler, Server, Socket, engine::RateLimit};
use async_trait::async_trait;
use serde_json::{Value, json};

/// The allocator of `archgen` itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Default)]
struct Rooms(Mutex<BTreeMap<String, BTreeMap<String, Socket>>>);

#[async_trait]
impl Handler for Rooms {
    async fn connect(&self, _: &Socket, auth: Value) -> Result<(), ConnectError> {
        if auth["token"] == "bench" { Ok(()) } else { Err(ConnectError::new("unauthenticated")) }
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: Arguments) -> Option<Arguments> {
        let room = arguments.first().as_str()?;
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if name == "join" {
            rooms.entry(room.to_owned()).or_default().insert(socket.id().to_owned(), socket.clone());
        } else {
            let event = Encoded::event("msg", arguments.values.get(1)?);
            for member in rooms.get(room).into_iter().flat_map(BTreeMap::values) {
                member.emit_encoded(&event);
            }
        }
        Some(json!(true).into())
    }

    async fn disconnect(&self, socket: &Socket, _: &str) {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.retain(|_, members| {
            members.remove(socket.id());
            !members.is_empty()
        });
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
    let env = os::env("bench", &std::env::temp_dir(), Shutdown::default());
    let config = Config { admission: RateLimit::NONE, messages: RateLimit::NONE, ..Config::default() };
    let server = Server::new(&env, config, Arc::new(Rooms::default()));
    let limits = ServerLimits::default();
    archgen_env::http::serve(&env, &Address::new("127.0.0.1", port), server.router(), limits).await
}
