//! The client of a store's nodes: every port but the registry, over the store protocol.

mod port_calls;
mod wire;

pub use wire::StoreClient;
