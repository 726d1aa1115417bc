//! [`Host`]: one instance of the topology that can be started in any `Env`.

use std::sync::Arc;

use archgen_env::{Env, net::Address};
use archgen_spec::topology::{Component, Instance, Topology};

use crate::{Assembly, FleetError, real::unit_name, start};

/// Hosts and servers that should be ready before one of this component starts.
pub fn needs(topology: &Topology, component: Component) -> Vec<String> {
    let names = |needed: Component| {
        let real = match needed {
            Component::Store(id) => topology.store(id).is_real(),
            Component::Registry => topology.registry.as_ref().is_some_and(|r| r.is_real()),
            _ => false,
        };
        match real {
            true => vec![unit_name(topology, needed)],
            false => topology.component_instances(needed).into_iter().map(|i| i.name).collect(),
        }
    };
    topology.component_needs(component).into_iter().flat_map(names).collect()
}

/// One host of the fleet. Starting it twice starts it anew: all state is in its `Env`'s disk.
#[derive(Debug, Clone)]
pub struct Host {
    assembly: Arc<Assembly>,
    instance: Instance,
    address: Address,
    needs: Vec<String>,
}

impl Host {
    pub(crate) fn new(assembly: &Arc<Assembly>, instance: Instance) -> Result<Self, FleetError> {
        let address = assembly
            .addresses
            .get(&instance.name)
            .cloned()
            .ok_or_else(|| FleetError::NoAddress(instance.name.clone()))?;
        let needs = needs(&assembly.topology, instance.component);
        Ok(Self { assembly: assembly.clone(), instance, address, needs })
    }

    /// Name: `messaging-1`.
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// What it is one of: `registry`, `gateway`, `realtime`, a service's name, or `<store kind> store`.
    pub fn kind(&self) -> String {
        match self.instance.component {
            Component::Store(id) => format!("{} store", self.assembly.topology.store(id).kind.name()),
            other => self.assembly.topology.component_name(other).to_owned(),
        }
    }

    /// The instance.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Hosts and real stores that should be ready before it starts.
    pub fn needs(&self) -> &[String] {
        &self.needs
    }

    /// Runs the host until `env.shutdown()`.
    ///
    /// # Errors
    /// [`FleetError`] where it cannot start or ends by itself.
    pub async fn start(&self, env: Env) -> Result<(), FleetError> {
        start::run(&self.assembly, &self.instance, env).await
    }
}
