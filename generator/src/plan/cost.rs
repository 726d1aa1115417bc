//! Money a month: instances and declared disk at the declared prices.

use archgen_spec::topology::{Component, StoreId, Topology};
use indexmap::IndexMap;
use serde::Serialize;

/// Bytes of the gigabyte that disk is priced by.
pub(super) const GIGABYTE: f64 = 1e9;

/// What a system costs a month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// As printed behind an amount.
    pub currency: String,
    /// Each component, in the order of the spec.
    pub components: IndexMap<String, ComponentCost>,
    /// All of them.
    pub month: f64,
}

/// What one component costs a month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentCost {
    /// Instances.
    pub instances: u32,
    /// Price of one.
    pub instance: f64,
    /// Declared disk of all of them, gigabytes of 10^9 bytes.
    pub disk_gigabytes: f64,
    /// Price of one.
    pub disk: f64,
    /// Instances and disk.
    pub month: f64,
}

/// `None` without prices.
pub(crate) fn cost(topology: &Topology) -> Option<Cost> {
    let prices = topology.prices.as_ref()?;
    let mut components = IndexMap::new();
    for component in topology.components() {
        let name = topology.component_name(component).to_owned();
        let (instances, disk_bytes) = match component {
            Component::Store(StoreId(id)) => {
                let store = &topology.stores[id];
                (store.nodes, store.disk_bytes.unwrap_or(0).saturating_mul(u64::from(store.nodes)))
            }
            other => (topology.component_instances(other).len() as u32, 0),
        };
        let (instance, disk_gigabytes) = (prices.instance_of(&name), disk_bytes as f64 / GIGABYTE);
        let month = f64::from(instances) * instance + disk_gigabytes * prices.disk;
        components.insert(name, ComponentCost { instances, instance, disk_gigabytes, disk: prices.disk, month });
    }
    let month = components.values().map(|c| c.month).sum();
    Some(Cost { currency: prices.currency.clone(), components, month })
}
