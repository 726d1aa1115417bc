//! [`Socket`]: a server's end of one client's connection to the namespace.

use std::{fmt, net::SocketAddr, sync::Arc};

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::link::Link;
use crate::{Encoded, Text, engine::Close};

struct Inner {
    id: String,
    generation: u64,
    link: Arc<Link>,
}

/// One connected client. Cloning is cheap; a clone may outlive the connection and then sends nothing.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

impl Socket {
    pub(crate) fn new(id: String, generation: u64, link: Arc<Link>) -> Self {
        Self(Arc::new(Inner { id, generation, link }))
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

    /// Sends an event with one argument. `false`: the socket is gone, or was too slow and is now closing.
    pub fn emit(&self, name: &str, argument: &Value) -> bool {
        self.emit_encoded(&Encoded::event(name, argument))
    }

    /// Sends an event that is worth nothing later: it is the first to go when the reader is slow.
    pub fn emit_volatile(&self, name: &str, argument: &Value) -> bool {
        self.emit_encoded_volatile(&Encoded::event(name, argument))
    }

    /// Sends an event that was encoded before, without copying it.
    pub fn emit_encoded(&self, event: &Encoded) -> bool {
        self.push(event.text(), false)
    }

    /// Sends a volatile event that was encoded before, without copying it.
    pub fn emit_encoded_volatile(&self, event: &Encoded) -> bool {
        self.push(event.text(), true)
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
            if core.generation == self.0.generation {
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

    pub(crate) fn push(&self, text: Text, volatile: bool) -> bool {
        self.0.link.push(self.0.generation, text, volatile)
    }

    fn close(&self, reason: &str, leave: bool) {
        self.0.link.change(|core, now_ms| {
            if core.generation == self.0.generation {
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
