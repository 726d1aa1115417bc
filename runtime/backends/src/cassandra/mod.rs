//! Messages on Cassandra.
//!
//! One owner writes a channel, so no lightweight transaction is needed for a message: an append is one batch in one partition, at
//! quorum. What a stale owner or a lost answer may leave behind is kept out by *terms*: read `terms` first, then `leases` (who
//! owns a shard), `channels` (how an owner takes a channel up), `append`, `log` (reading), `marks`. `schema` makes and recognises
//! the generated tables, `link` sends statements, `faults` says what errors mean.
//!
//! An acknowledged entry is safe as long as monotonic clocks of two machines do not drift apart by a tenth of the lease's time
//! within that time, and no two processes live under one host's name at once.

mod append;
mod channels;
mod faults;
mod leases;
mod link;
mod log;
mod marks;
mod port;
mod schema;
mod statements;
mod terms;

pub(crate) use port::open;
