//! The messaging service: channels, members, and one log per channel with one owner at a time.
//!
//! Channels are hashed into ownership shards; a shard's owner holds its lease and is the only one to append to its channels, so
//! `seq` is dense without a round of agreement per message. Any instance takes any call and hands changes to the owner. What is
//! acknowledged is durable together with its deduplication key; live push and the event topic follow from the log.
//!
//! Every change of a channel takes one way: `operation` says who may, `change` decides purely what it does to the log, `writer`
//! appends, and the event that all hear of is the entry that was appended. The kinds of entries are one table, `kinds`.
//!
//! Start with `config` (what it is given, `run`), `api`, `personal_api`, `act` and `internal` (routes), then `operation`,
//! `send` with `doors`, `change`, `writer` with `recent`, `ownership` and `lease` (who owns), `relay`, `push`, `sync` and `notice` (who hears of it),
//! `channels` and `membership` (rows), `personal` and `chores`, `reads`, `history`, `mentions`, `keywords`, `asyncapi`.

mod act;
mod api;
mod asyncapi;
mod change;
mod channels;
mod chores;
mod config;
mod directs;
mod doors;
mod error;
mod history;
mod internal;
mod keywords;
mod kinds;
mod lease;
mod membership;
mod mentions;
mod notice;
mod operation;
mod ownership;
mod personal;
mod personal_api;
mod push;
mod reads;
mod recent;
mod relay;
mod send;
mod state;
mod sync;
mod view;
mod writer;

#[cfg(test)]
mod tests;

pub use act::ASKED;
pub use config::{Config, run};
pub use kinds::{DELETED, KINDS, Kind, kind};
pub use notice::MEMBERSHIP_LEASE_MS;
