//! Engine.IO v4 and Socket.IO v5: a pure protocol core, a server over any byte stream and a client.
//!
//! Sources: the public protocol texts `docs/engine.io-protocol/v4-current.md` and `docs/socket.io-protocol/v5-current.md` of
//! the Socket.IO project. Served: long-polling, WebSocket and the upgrade between them, the namespace `/`, text events with
//! acknowledgements. Refused with a reason: binary attachments, other namespaces, protocol version 3.
//!
//! What it promises beyond the protocol: one client's events are handled strictly in order and none is lost between the
//! connection and the first handler; what is sent to many is encoded once; a reader that does not keep up is told
//! `slow_consumer` and disconnected, never silently skipped and never buffered without end.
//!
//! Start with [`Server`], [`Handler`] and [`Socket`]; the pure parts are [`engine`], [`packet`] and [`Encoded`].

pub mod client;
mod encoded;
pub mod engine;
pub mod packet;
mod server;

pub use encoded::{Encoded, Text};
pub use server::{Config, ConnectError, Handler, Origins, Server, Socket};
