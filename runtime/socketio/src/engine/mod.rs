//! The Engine.IO v4 core: packets, payloads, the send queue and one session's state. Pure: no sockets, no clock (the caller
//! says what time it is, in milliseconds since the session opened), no tasks.

mod handshake;
mod outbox;
mod packet;
mod session;

pub use handshake::{Open, Refusal};
pub use outbox::{Outbox, Pushed, QueueLimits};
pub use packet::{Kind, Packet, PacketError, SEPARATOR, join, split};
pub use session::{Carrier, Close, Phase, Received, Session, Timing, Violation, WireFrame};
