//! Full text on Elasticsearch, and on OpenSearch, which answers the same calls.
//!
//! `query` turns the port's documents and queries into the engine's (pure), `template` makes and verifies the generated index
//! template, `client` sends and says what errors mean, `port` is the port and the backend around it.
//!
//! Words are cut here and not by an analyser, so that every engine behind the port finds the same. A deleted document stays as an
//! empty one with its version: the engine itself forgets the versions of what it deletes after a minute.

mod client;
mod port;
mod query;
mod template;

pub(crate) use port::open;
