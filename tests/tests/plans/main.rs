//! Plans on the engines that they are for: what `archgen generate --only plan` writes and what `archgen shards --from --to` prints, run
//! as it stands by the engines' own tools, and the engines asked what came of it. `make test-plans` brings what they need.
//!
//! Nodes are processes on loopback. The tools know the nodes' names by a script in front of each (`tools`), for nobody's host table is
//! changed.
#![expect(clippy::print_stdout, reason = "what moved is printed")]
#![expect(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod cassandra;
mod elasticsearch;
mod kafka;
mod redis;
mod tools;
