//! Messages: leases, fenced appends with deduplication, logs, publication and read marks.

mod append;
mod call;
mod decide;
mod lease;
mod read;
mod stored;

#[cfg(test)]
mod tests;

pub use call::MessagesCall;
pub use decide::decide;
pub use read::read;
