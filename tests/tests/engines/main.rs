//! The conformance suites, and what goes beyond them, against real engines. `tests/backends/start` starts what they need; a server
//! that is not there fails its tests.

mod cassandra;
mod server;
