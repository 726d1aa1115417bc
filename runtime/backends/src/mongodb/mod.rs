//! Documents on MongoDB.
//!
//! `commands` makes the commands as they are sent, `link` sends them and says what errors mean, `schema` makes and verifies the
//! collections, `port` is the port and the backend around it.
//!
//! Every command is spelled out and sent as it is: so what is asked of the server (conditions, indexes, validators, the majority that
//! a write waits for) is a value that tests compare, also where the server at hand is not one that honours it.

mod commands;
mod link;
mod port;
mod schema;

pub(crate) use port::open;
