//! Text from templates: one engine, one escaping rule per target. What is said is decided in `context`.

mod data;
mod engine;
pub(crate) mod escape;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use data::{Data, Map, data};
pub(crate) use engine::{Content, Engine};
pub(crate) use escape::sql_identifier;
pub(crate) use yaml::{document, entries, yaml};
