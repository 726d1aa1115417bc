//! [`Socket`]: a server's end of one client's connection to a namespace; and [`Connection`], of one that speaks bare Engine.IO.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};

use super::{
    acks::{AckError, Waiting},
    handler::Namespace,
    link::Link,
};
use crate::{
    Encoded,
    engine::{Close, Message, Part},
    packet::{Arguments, Body, Packet},
};

struct Inner {
    id: String,
    generation: u64,
    namespace: Arc<Namespace>,
    link: Arc<Link>,
}

/// One connected client. Cloning is cheap; a clone may outlive the connection and then sends nothing.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

impl Socket {
    pub(crate) fn new(id: String, generation: u64, namespace: Arc<Namespace>, link: Arc<Link>) -> Self {
        Self(Arc::new(Inner { id, generation, namespace, link }))
    }

    pub(crate) fn in_namespace(&self) -> &Arc<Namespace> {
        &self.0.namespace
    }

    pub(crate) fn generation(&self) -> u64 {
        self.0.generation
    }

    /// The namespace's name.
    pub fn namespace(&self) -> &str {
        &self.0.namespace.name
    }

    /// The socket's id, which others may know (the session's id is a secret).
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The address that the connection came from: a proxy's, where there is one.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.0.link.remote
    }

    /// A header of the opening request, of those that [`super::Config::handshake_headers`] names.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.0.link.header(name)
    }

    /// An event of this socket's namespace, to be sent to many sockets of it.
    pub fn encode(&self, name: &str, arguments: impl Into<Arguments>) -> Encoded {
        Encoded::in_namespace(self.0.namespace.name.clone(), name, arguments)
    }

    /// Sends an event. `false`: the socket is gone, or was too slow and is now closing.
    pub fn emit(&self, name: &str, arguments: impl Into<Arguments>) -> bool {
        self.emit_encoded(&self.encode(name, arguments))
    }

    /// Sends an event that is worth nothing later: it is the first to go when the reader is slow.
    pub fn emit_volatile(&self, name: &str, arguments: impl Into<Arguments>) -> bool {
        self.emit_encoded_volatile(&self.encode(name, arguments))
    }

    /// Sends an event that was encoded before, without copying it. Of another namespace's nothing is sent.
    pub fn emit_encoded(&self, event: &Encoded) -> bool {
        event.namespace() == self.namespace() && self.push(event.message(), false)
    }

    /// Sends a volatile event that was encoded before, without copying it.
    pub fn emit_encoded_volatile(&self, event: &Encoded) -> bool {
        event.namespace() == self.namespace() && self.push(event.message(), true)
    }

    /// Sends an event and waits for the client's acknowledgement. A handler may wait for its own client: acknowledgements are
    /// looked for among what waits for the handler to end.
    ///
    /// # Errors
    /// See [`AckError`].
    pub async fn emit_with_ack(
        &self,
        name: &str,
        arguments: impl Into<Arguments>,
        wait_ms: u64,
    ) -> Result<Arguments, AckError> {
        let link = &self.0.link;
        let begun = link.lock().acks.begin(self.0.generation);
        let (id, acknowledged) = begun?;
        let _waiting = Waiting { link: link.clone(), id };
        let body = Body::Event { id: Some(id), name: name.to_owned(), arguments: arguments.into() };
        let packet = Packet { namespace: self.0.namespace.name.clone(), body };
        if !self.push(packet.message(), false) {
            return Err(AckError::Disconnected);
        }
        let answer = tokio::time::timeout(Duration::from_millis(wait_ms), acknowledged).await;
        answer.map_err(|_| AckError::Timeout(wait_ms))?.map_err(|_| AckError::Disconnected)
    }

    /// Ends the connection for good: the client is sent the farewell event with this reason and told to leave, after which
    /// the usual clients do not come back by themselves.
    pub fn disconnect(&self, reason: &str) {
        self.close(reason, true);
    }

    /// Ends the connection for good, as [`Socket::disconnect`] does, and throws away what is queued: for a client that has
    /// lost the right to see it.
    pub fn revoke(&self, reason: &str) {
        self.0.link.change(|core, now_ms| {
            if core.place(self.0.generation).is_some() {
                core.session.outbox().clear();
                self.0.link.close_locked(core, Close::Server(reason.to_owned()), true, now_ms);
            }
        });
    }

    /// Ends the connection for now: the client is sent the farewell event with this reason and its transport is closed,
    /// after which the usual clients come back.
    pub fn close_transport(&self, reason: &str) {
        self.close(reason, false);
    }

    pub(crate) fn push(&self, message: Message, volatile: bool) -> bool {
        self.0.link.push(self.0.generation, message, volatile)
    }

    fn close(&self, reason: &str, leave: bool) {
        self.0.link.change(|core, now_ms| {
            if core.place(self.0.generation).is_some() {
                self.0.link.close_locked(core, Close::Server(reason.to_owned()), leave, now_ms);
            }
        });
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.0.id).finish_non_exhaustive()
    }
}

/// One client of a bare Engine.IO server.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<Link>);

impl Connection {
    /// Sends a message. `false`: the client is gone, or was too slow and is now closing.
    pub fn send(&self, message: Part) -> bool {
        self.0.push_bare(match message {
            Part::Text(text) => Message::text(format!("4{text}")),
            Part::Binary(bytes) => Message::binary(bytes),
        })
    }
}
