//! Addresses of instances where the caller gives none.

use archgen_spec::topology::{Component, Instance, Topology};

/// A private address, the same on every run: `10.<component>.<high>.<low>`, where the component counts in the order of
/// [`Topology::components`] from 1 and the ordinal from 1. Systems with more than 254 components or 65,534 instances of
/// one wrap around and need addresses of their own.
pub fn private_address(topology: &Topology, instance: &Instance) -> String {
    let component = match instance.component {
        Component::Registry => 0,
        Component::Store(id) => 1 + id.0,
        Component::Service(id) => 1 + topology.stores.len() + id.0,
        Component::Realtime => 1 + topology.stores.len() + topology.services.len(),
        Component::Gateway => 2 + topology.stores.len() + topology.services.len(),
    };
    let host = instance.ordinal % 65_534 + 1;
    format!("10.{}.{}.{}", component % 254 + 1, host >> 8, host & 0xff)
}
