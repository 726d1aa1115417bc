//! The conformance suites, and what goes beyond them, against real engines. `tests/backends/start` starts what they need; a server
//! that is not there fails its tests. Those in `clusters` (three nodes of an engine each), `consul`, `elasticsearch` and `mongodb` belong to
//! `make test-real`.
#![expect(
    clippy::disallowed_methods,
    reason = "tests that kill servers count real seconds and start tasks of their own"
)]
#![expect(clippy::print_stdout, reason = "recovery times are printed")]
#![expect(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod cassandra;
mod clusters;
mod consul;
mod elasticsearch;
mod fidelity;
mod kafka;
mod links;
mod load;
mod mongodb;
mod postgres;
mod readers;
mod redis;
mod s3;
mod server;
