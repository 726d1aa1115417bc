//! The contract between a server and what it serves.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::Socket;

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

/// What a server does with its clients. Calls for one socket come one after the other, each awaited to its end, in the
/// order in which the client sent; calls for different sockets run side by side. A handler bounds its own waits.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// A client connects with these credentials (an empty object where it gave none). What is sent to the socket from here
    /// on reaches the client after the grant; after a refusal, not at all.
    async fn connect(&self, socket: &Socket, auth: Value) -> Result<(), ConnectError>;

    /// A client sent an event. What is returned is sent as the acknowledgement, where the client asked for one.
    async fn event(&self, socket: &Socket, name: &str, arguments: Vec<Value>) -> Option<Vec<Value>>;

    /// A client that [`Handler::connect`] accepted is gone. Called exactly once for it, after all its other calls.
    async fn disconnect(&self, socket: &Socket, reason: &str);
}

/// The credentials as a handler sees them.
pub(crate) fn auth_value(auth: Option<Map<String, Value>>) -> Value {
    auth.map_or_else(|| json!({}), Value::Object)
}
