//! Accounts on PostgreSQL.
//!
//! `link` finds the primary and keeps its connections, `schema` makes and recognises the generated schema, `faults` says what errors
//! mean, `port` is the port and the backend around it. A transaction is one call of the generated function `archgen.commit_writes`.

mod faults;
mod link;
mod port;
mod schema;

pub(crate) use port::open;
