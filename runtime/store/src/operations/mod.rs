//! What each port's calls do to the engine. Reads look at committed state; writes are decisions for the committer. Each file owns
//! one port's keys and its calls on the wire.

pub mod accounts;
pub mod cache;
pub mod documents;
pub mod events;
pub mod index;
pub(crate) mod keys;
pub mod messages;
mod postings;
mod rows;
