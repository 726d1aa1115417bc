//! One context per target: every choice, sum and order that a template only places. How text is escaped is `render`'s.

pub(crate) mod cassandra;
pub(crate) mod compose;
pub(crate) mod consul;
pub(crate) mod elasticsearch;
pub(crate) mod graph;
pub(crate) mod image;
pub(crate) mod kafka;
pub(crate) mod kubernetes;
pub(crate) mod mongodb;
pub(crate) mod nginx;
pub(crate) mod observe;
pub(crate) mod page;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod s3;
pub(crate) mod schema_facts;
pub(crate) mod spec_text;

mod container;
mod inexpressible;

use std::collections::BTreeMap;

/// Artifacts under construction.
pub(crate) type Files = BTreeMap<String, String>;
