//! A cache on Redis: one server, or a cluster, which is found out by asking.
//!
//! `link` holds the connection and says what errors mean, `port` is the port and the backend around it. Nothing is promised of a
//! cache but freshness, so that a server which forgets everything is no fault.

mod link;
mod port;

pub(crate) use port::open;
