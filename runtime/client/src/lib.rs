//! What a person's device does: signs in, keeps a queue of what it could not send yet, retries with one `client_msg_id` until it
//! has an answer, resumes from its last position and repairs gaps.
//!
//! Used by the simulator's people, by tests and by load tools. It speaks to the fleet as any client would: HTTP to the gateway,
//! Socket.IO to the realtime layer.

mod api;
mod cursor;
mod device;

pub use api::{Api, ApiError, Channel, Message, Page, Session};
pub use cursor::{Cursor, Step};
pub use device::{Device, DeviceConfig, Observer};
