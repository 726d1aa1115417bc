//! The Engine.IO v4 core: packets, payloads, WebSocket framing, the send queue and one session's state. Pure: no sockets, no clock
//! (the caller says what time it is, in milliseconds since the session opened), no tasks.

pub mod frame;
mod handshake;
mod message;
mod outbox;
mod packet;
mod rate;
mod session;

pub use handshake::{Open, Refusal};
pub use message::{Message, Part};
pub use outbox::{Outbox, Pushed, QueueLimits};
pub use packet::{Kind, Packet, PacketError, SEPARATOR, decode_bytes, encode_bytes, join, split};
pub use rate::{Rate, RateLimit};
pub use session::{Carrier, Close, Phase, Received, Session, Timing, Violation, WireFrame};
