//! The contract between a server and what it serves.

use std::{borrow::Cow, fmt, sync::Arc};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{Connection, Socket};
use crate::{
    engine::Part,
    packet::{Arguments, MAIN_NAMESPACE},
};

/// Why a client may not connect. Both parts are sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// The `message` of the error that the client sees.
    pub message: String,
    /// The `data` of the error that the client sees.
    pub data: Option<Value>,
}

impl ConnectError {
    /// A refusal with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// This refusal with data for programs.
    pub fn with_data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }

    pub(crate) fn payload(self) -> Value {
        let mut payload = Map::new();
        payload.insert("message".to_owned(), self.message.into());
        if let Some(data) = self.data {
            payload.insert("data".to_owned(), data);
        }
        payload.into()
    }
}

/// What a namespace does with its clients. Calls for one client come one after the other, each awaited to its end, in the
/// order in which the client sent, over all its namespaces, except events that [`Handler::is_pipelined`] names; calls for different
/// clients run side by side. A handler bounds its own waits.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// A client connects with these credentials (an empty object where it gave none). What is sent to the socket from here
    /// on reaches the client after the grant; after a refusal, not at all.
    async fn connect(&self, socket: &Socket, auth: Value) -> Result<(), ConnectError>;

    /// A client sent an event. What is returned is sent as the acknowledgement, where the client asked for one.
    async fn event(&self, socket: &Socket, name: &str, arguments: Arguments) -> Option<Arguments>;

    /// Whether events of this name need not wait for the end of those of the same kind before them. Each is still called in the order
    /// in which the client sent, and runs up to its first wait before the next is called. Any other call waits until all of them have
    /// ended.
    fn is_pipelined(&self, _name: &str) -> bool {
        false
    }

    /// A client that [`Handler::connect`] accepted is gone. Called exactly once for it, after all its other calls.
    async fn disconnect(&self, socket: &Socket, reason: &str);
}

/// Decides about connections to a namespace before its handler does.
#[async_trait]
pub trait Middleware: Send + Sync + 'static {
    /// Lets a client through, or refuses it; those after it in the line are then not asked.
    async fn connect(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectError>;
}

/// One namespace: its name, who decides about its connections, and its handler.
pub struct Namespace {
    pub(crate) name: Cow<'static, str>,
    middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) handler: Arc<dyn Handler>,
}

impl Namespace {
    /// The namespace `/`.
    pub fn main(handler: Arc<dyn Handler>) -> Self {
        Self { name: MAIN_NAMESPACE.into(), middleware: Vec::new(), handler }
    }

    /// A namespace of this name, which begins with `/`.
    pub fn named(name: impl Into<Cow<'static, str>>, handler: Arc<dyn Handler>) -> Self {
        Self { name: name.into(), ..Self::main(handler) }
    }

    /// Asks this middleware too, after those given before and before the handler.
    pub fn through(mut self, middleware: Arc<dyn Middleware>) -> Self {
        self.middleware.push(middleware);
        self
    }

    pub(crate) async fn connect(&self, socket: &Socket, auth: Option<Map<String, Value>>) -> Result<(), ConnectError> {
        let auth = auth.map_or_else(|| json!({}), Value::Object);
        for middleware in &self.middleware {
            middleware.connect(socket, &auth).await?;
        }
        self.handler.connect(socket, auth).await
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a bare Engine.IO server does with its clients, under the same rules as [`Handler`].
#[async_trait]
pub trait Messages: Send + Sync + 'static {
    /// A client sent a message: text (without its `4`) or bytes.
    async fn message(&self, connection: &Connection, message: Part);
}
