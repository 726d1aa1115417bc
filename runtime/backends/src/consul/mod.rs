//! The registry port over Consul's HTTP API: against real Consul agents and against archgen's registry host alike.

mod registry;
mod wire;

#[cfg(test)]
mod tests;

pub use registry::ConsulRegistry;
