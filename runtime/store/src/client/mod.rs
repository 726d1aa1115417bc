//! The client of a store's nodes: every port but the registry, over the store protocol.

mod answers;
mod copied;
mod messages;
mod placed;
mod port_calls;
mod reach;
mod wire;

pub use placed::PlacedClient;
pub use wire::StoreClient;

#[cfg(test)]
mod tests;
