//! The messaging service: channels, members, and one log per channel with one owner at a time.
//!
//! Channels are hashed into ownership shards; a shard's owner holds its lease and is the only one to append to its channels, so
//! `seq` is dense without a round of agreement per message. Any instance takes any call and hands changes to the owner. What is
//! acknowledged is durable together with its deduplication key; live push and the event topic follow from the log.
//!
//! Start with `config` (what it is given, `run`), `api` and `internal` (routes), then `operation` (what changes a channel),
//! `ownership` and `lease` (who may), `writer` (the append), `relay`, `push` and `sync` (who hears of it), `channels` (rows),
//! `membership`, `history`, `mentions`.

mod api;
mod channels;
mod config;
mod error;
mod history;
mod internal;
mod lease;
mod membership;
mod mentions;
mod operation;
mod ownership;
mod push;
mod relay;
mod state;
mod sync;
mod view;
mod writer;

#[cfg(test)]
mod tests;

pub use config::{Config, run};
