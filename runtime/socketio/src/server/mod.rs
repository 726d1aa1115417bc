//! The server: HTTP routes, one task per session, sockets and the handler's contract. What a session is lies in
//! [`crate::engine`]; here are its bytes, its timers and its turn to be handled.

mod acks;
mod config;
mod driver;
mod front;
mod handler;
mod inbox;
mod link;
mod polling;
mod request;
mod socket;
mod websocket;

pub use acks::AckError;
pub use config::{Config, Origins};
pub use front::Server;
pub use handler::{ConnectError, Handler, Messages, Middleware, Namespace};
pub use socket::{Connection, Socket};

#[cfg(test)]
mod tests;
