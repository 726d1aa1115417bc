//! [`Client`]: opening a connection, and the handle to it.

use std::time::Duration;

use archgen_env::{
    Env,
    net::{BoxStream, Io},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, header};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};

use super::running::{Command, Running};
use crate::{
    engine::Open,
    packet::{Body, Packet},
};

/// Events that wait for their reader before no more are read from the network.
const EVENTS_MAX: usize = 256;
/// Commands that wait for the network before `emit` waits.
const COMMANDS_MAX: usize = 64;

/// How to connect.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `Host` of the request, with its port where that is not 80.
    pub host: String,
    /// Where the server is mounted.
    pub path: String,
    /// Further headers of the request.
    pub headers: HeaderMap,
    /// The credentials: an object, or null for none.
    pub auth: Value,
    /// Time for the whole connection, up to the grant.
    pub connect_ms_max: u64,
    /// Largest frame read from the server.
    pub max_payload_bytes: usize,
}

impl Options {
    /// To this host with these credentials, in at most 10 s.
    pub fn new(host: impl Into<String>, auth: Value) -> Self {
        Self {
            host: host.into(),
            path: "/socket.io/".to_owned(),
            headers: HeaderMap::new(),
            auth,
            connect_ms_max: 10_000,
            max_payload_bytes: 4 << 20,
        }
    }
}

/// Why a connection or a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server answered the WebSocket handshake with this status.
    #[error("handshake refused with status {0}")]
    Status(u16),
    /// The server refused the connection to the namespace.
    #[error("connection refused: {message}")]
    Refused {
        /// The server's message.
        message: String,
        /// The server's data, if any.
        data: Option<Value>,
    },
    /// What the server sent makes no sense.
    #[error("unexpected answer: {0}")]
    Protocol(String),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(String),
    /// No answer in time. A call may or may not have taken effect.
    #[error("no answer within {0} ms")]
    Timeout(u64),
    /// The connection is over. A call may or may not have taken effect.
    #[error("disconnected")]
    Disconnected,
}

/// What a server sent, or the end.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An event.
    Message {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Vec<Value>,
    },
    /// The connection is over; nothing follows. The reasons are the usual clients': `io server disconnect`,
    /// `io client disconnect`, `transport close`, `transport error`, `ping timeout`, `parse error`.
    Disconnected {
        /// Why.
        reason: String,
    },
}

/// The events of a connection, in the order in which the server sent them.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` after [`Event::Disconnected`].
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// A connection. Cloning shares it; it ends when all clones are gone.
#[derive(Debug, Clone)]
pub struct Client {
    socket_id: String,
    commands: mpsc::Sender<Command>,
}

impl Client {
    /// Connects over this stream.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn connect(env: &Env, stream: impl Io, options: Options) -> Result<(Self, Events), ClientError> {
        let wait_ms = options.connect_ms_max;
        let connecting = open(env, Box::new(stream), options);
        let (socket, open, socket_id) = tokio::time::timeout(Duration::from_millis(wait_ms), connecting)
            .await
            .map_err(|_| ClientError::Timeout(wait_ms))??;
        let (commands, commands_receiver) = mpsc::channel(COMMANDS_MAX);
        let (events, events_receiver) = mpsc::channel(EVENTS_MAX);
        let running = Running::new(socket, open.ping_interval_ms + open.ping_timeout_ms, commands_receiver, events);
        env.spawn("socketio-client", running.run());
        Ok((Self { socket_id, commands }, Events(events_receiver)))
    }

    /// The id that the server gave the socket.
    pub fn socket_id(&self) -> &str {
        &self.socket_id
    }

    /// Sends an event. It is on its way when this returns; whether it arrives is not known.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`].
    pub async fn emit(&self, name: &str, arguments: Vec<Value>) -> Result<(), ClientError> {
        self.send(name, arguments, None).await
    }

    /// Sends an event and waits for its acknowledgement.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] and [`ClientError::Disconnected`], both of which leave open whether it took effect.
    pub async fn emit_with_ack(
        &self,
        name: &str,
        arguments: Vec<Value>,
        wait_ms: u64,
    ) -> Result<Vec<Value>, ClientError> {
        let (sender, receiver) = oneshot::channel();
        let call = async {
            self.send(name, arguments, Some(sender)).await?;
            receiver.await.map_err(|_| ClientError::Disconnected)
        };
        tokio::time::timeout(Duration::from_millis(wait_ms), call).await.map_err(|_| ClientError::Timeout(wait_ms))?
    }

    /// Leaves: what was sent before goes out first.
    pub async fn disconnect(&self) {
        // An error means that it is over already.
        let _ = self.commands.send(Command::Leave).await;
    }

    async fn send(
        &self,
        name: &str,
        arguments: Vec<Value>,
        ack: Option<oneshot::Sender<Vec<Value>>>,
    ) -> Result<(), ClientError> {
        let command = Command::Emit { name: name.to_owned(), arguments, ack };
        self.commands.send(command).await.map_err(|_| ClientError::Disconnected)
    }
}

type Socket = WebSocketStream<BoxStream>;

async fn open(env: &Env, stream: BoxStream, options: Options) -> Result<(Socket, Open, String), ClientError> {
    let limits = WebSocketConfig::default()
        .read_buffer_size(4_096)
        .write_buffer_size(0)
        .max_message_size(Some(options.max_payload_bytes))
        .max_frame_size(Some(options.max_payload_bytes));
    let request = handshake(env, &options)?;
    let (mut socket, _) =
        client_async_with_config(request, stream, Some(limits)).await.map_err(|error| match error {
            Error::Http(response) => ClientError::Status(response.status().as_u16()),
            other => ClientError::Lost(other.to_string()),
        })?;
    let first = next_text(&mut socket).await?;
    let open = Open::decode(&first).ok_or_else(|| ClientError::Protocol("no open packet".to_owned()))?;
    let auth = match options.auth {
        Value::Object(map) => Some(map),
        _ => None,
    };
    send(&mut socket, Packet::main(Body::Connect(auth)).encode()).await?;
    loop {
        let text = next_text(&mut socket).await?;
        if text == "2" {
            send(&mut socket, "3".to_owned()).await?;
            continue;
        }
        let packet = text.strip_prefix('4').and_then(|message| Packet::decode(message).ok());
        return match packet.map(|packet| packet.body) {
            Some(Body::Connect(Some(data))) => {
                let id = data.get("sid").and_then(Value::as_str).unwrap_or_default().to_owned();
                Ok((socket, open, id))
            }
            Some(Body::ConnectError(error)) => {
                let message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
                Err(ClientError::Refused { message, data: error.get("data").cloned() })
            }
            _ => Err(ClientError::Protocol("no answer to the connection".to_owned())),
        };
    }
}

fn handshake(env: &Env, options: &Options) -> Result<Request<()>, ClientError> {
    let invalid = |error: http::Error| ClientError::Protocol(error.to_string());
    let uri = format!("ws://{}{}?EIO=4&transport=websocket", options.host, options.path);
    let mut request = Request::builder().uri(uri).body(()).map_err(invalid)?;
    let headers = request.headers_mut();
    headers.extend(options.headers.clone());
    let host = HeaderValue::from_str(&options.host).map_err(|error| invalid(error.into()))?;
    let key = STANDARD.encode(env.entropy("socketio-client").bytes::<16>());
    let key = HeaderValue::from_str(&key).map_err(|error| invalid(error.into()))?;
    headers.insert(header::HOST, host);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(header::SEC_WEBSOCKET_KEY, key);
    Ok(request)
}

async fn next_text(socket: &mut Socket) -> Result<String, ClientError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                return Err(ClientError::Lost(format!("closed by the server: {reason}")));
            }
            Some(Ok(_)) => return Err(ClientError::Protocol("a binary frame".to_owned())),
            Some(Err(error)) => return Err(ClientError::Lost(error.to_string())),
            None => return Err(ClientError::Lost("closed".to_owned())),
        }
    }
}

async fn send(socket: &mut Socket, text: String) -> Result<(), ClientError> {
    socket.send(Message::text(text)).await.map_err(|error| ClientError::Lost(error.to_string()))
}
