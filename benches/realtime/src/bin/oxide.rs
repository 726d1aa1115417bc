//! A peer: the same rooms over socketioxide. Usage: `oxide PORT`.

use serde_json::Value;
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
    handler::ConnectHandler,
};

/// The same as ours has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn authenticate(Data(auth): Data<Value>) -> Result<(), &'static str> {
    if auth["token"] == "bench" { Ok(()) } else { Err("unauthenticated") }
}

async fn connected(socket: SocketRef) {
    socket.on("join", async |socket: SocketRef, Data::<String>(room), ack: AckSender| {
        socket.join(room);
        let _ = ack.send(&true);
    });
    socket.on("send", async |socket: SocketRef, Data::<(String, Value)>((room, body)), ack: AckSender| {
        let _ = socket.within(room).emit("msg", &body).await;
        let _ = ack.send(&true);
    });
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port: u16 =
        std::env::args().nth(1).and_then(|port| port.parse().ok()).ok_or(std::io::ErrorKind::InvalidInput)?;
    let (layer, io) = SocketIo::builder().max_buffer_size(4_096).build_layer();
    io.ns("/", connected.with(authenticate));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, axum::Router::new().layer(layer)).await
}
