//! Engine.IO v4 and Socket.IO v5: a pure protocol core, a server over any byte stream and a client.
//!
//! Sources: the public protocol texts `docs/engine.io-protocol/v4-current.md` and `docs/socket.io-protocol/v5-current.md` of
//! the Socket.IO project, and RFC 6455. Served: long-polling, WebSocket and the upgrade between them, namespaces, connection
//! middleware, events and acknowledgements both ways, JSON with binary parts at any depth, and bare Engine.IO. Protocol version 3
//! is refused; WebTransport and compression are not offered. The client speaks WebSocket, the namespace `/` and JSON.
//!
//! What it promises beyond the protocol: one client's events are handled strictly in order and none is lost between the
//! connection and the first handler; what is sent to many is encoded once; a client that sends too fast is read later; a reader
//! that does not keep up loses volatile events first, then is told `slow_consumer` and disconnected, never silently skipped and
//! never buffered without end.
//!
//! Start with [`Server`], [`Handler`] and [`Socket`]; the pure parts are [`engine`], [`packet`] and [`Encoded`].

pub mod client;
mod encoded;
pub mod engine;
pub mod packet;
mod server;

pub use encoded::{Encoded, Text};
pub use packet::Arguments;
pub use server::{
    AckError, Config, ConnectError, Connection, Handler, Messages, Middleware, Namespace, Origins, Server, Socket,
};
