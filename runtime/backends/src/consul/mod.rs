//! The registry port over Consul's HTTP API: against real Consul agents and against archgen's registry host alike. Against real ones
//! `backend` says what is wrong with them, and `keys` is the keys port.

#[cfg(feature = "consul")]
mod backend;
#[cfg(feature = "consul")]
mod keys;
mod registry;
mod wire;

#[cfg(test)]
mod tests;

#[cfg(feature = "consul")]
pub(crate) use backend::open;
pub use registry::ConsulRegistry;
