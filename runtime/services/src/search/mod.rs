//! The search service: it consumes the topics of messages, users and files, and answers queries over them.
//!
//! The index holds no access lists: each query is filtered by the channels that messaging says the caller is in now, and a removal
//! is confirmed to messaging, so that it acts at once, also on a search that is under way. Where messaging does not answer, search
//! does not answer either.
//!
//! It owns the indexes `messages`, `files`, `people` and `dead_letters`. Start with `config` (`run`), `query` (the query language: pure),
//! `document` (events to documents: pure), `feed` (the consumer), `api`, `departures` (ends of memberships), `peers` (what it asks of
//! others), `state`.

mod api;
mod config;
mod departures;
mod document;
mod error;
mod feed;
mod peers;
mod query;
mod state;

#[cfg(test)]
mod tests;

pub use config::{Config, run};
