//! The consumer that notification and search share: it reads topics as a group and has a [`Handler`] take effect.
//!
//! It owns fetching, retries, offsets and lag; what an event means belongs to the handler. Start with `runner`, then `handler`.

mod handler;
mod runner;

#[cfg(test)]
mod tests;

pub use handler::{DeadLetter, Handler, HandlerError};
pub use runner::{Consumer, Running};
