//! The `archgen` program from outside: what it prints, the status it ends with, what it leaves on disk.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits on the machine's own clock"
)]

mod editor;
mod fleet;
mod formatting;
mod generated;
mod language_server;
mod live;
mod live_schemas;
mod no_text;
mod own_program;
mod program;
mod real_stores;
mod resolved;
mod specs;
