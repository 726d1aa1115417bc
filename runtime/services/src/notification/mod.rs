//! The notification service: it consumes the message topic and keeps an inbox per user, with the reason for each decision.
//!
//! Who is due: mentioned members of the channel, and the other members of a direct message; never the author. A row holds no
//! message text: the client fetches the message, so that edits, deletions and removals from the channel hold here too. A mention
//! that an edit adds notifies nobody.
//!
//! It owns the collections `inbox` and `reasons`. Start with `config` (`run`), `logic` (who is due: pure), `deliver` (the consumer),
//! `api`, `messaging` (what it asks of its peer), `state`.

mod api;
mod config;
mod deliver;
mod error;
mod logic;
mod messaging;
mod purge;
mod state;

#[cfg(test)]
mod tests;

pub use config::{Config, run};
