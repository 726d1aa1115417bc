//! One context per target: every choice, sum and order that a template only places. How text is escaped is `render`'s.

pub(crate) mod cassandra;
pub(crate) mod compose;
pub(crate) mod consul;
pub(crate) mod elasticsearch;
pub(crate) mod graph;
pub(crate) mod kafka;
pub(crate) mod nginx;
pub(crate) mod postgres;

use std::collections::BTreeMap;

/// Artifacts under construction.
pub(crate) type Files = BTreeMap<String, String>;
