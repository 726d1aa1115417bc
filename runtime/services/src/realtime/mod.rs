//! The realtime service: people's sockets, outside the gateway.
//!
//! Each host keeps one cursor per subscribed channel and delivers the channel's log strictly in order from it. A push from
//! messaging is only a hint that there is more: a gap, or a head that has moved without a push, is fetched. So a subscriber that
//! stays sees each entry once, whatever is lost between hosts; one that comes back resumes from its own position.
//!
//! Start with `config` (what it is given, `run`), `handler` (what a socket may ask), `cursor` and `hub` (who is where), `subscribe`,
//! `access`, `reads` and `tail` (catching up), `badges`, `intake` and `sends` (messages on their way out), `repair` (what keeps channels whole), `presence`, `internal` (what other hosts tell).

mod access;
mod badges;
mod calls;
mod config;
mod cursor;
mod handler;
mod hub;
mod intake;
mod internal;
mod presence;
mod reads;
mod repair;
mod sends;
mod state;
mod subscribe;
mod tail;

#[cfg(test)]
mod tests;

pub use config::{Config, run};
