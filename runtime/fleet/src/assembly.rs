//! What a fleet is assembled from, and the list of its hosts.

use std::{collections::BTreeMap, sync::Arc};

use archgen_backends::NotBuilt;
use archgen_env::net::Address;
use archgen_ports::ServiceKey;
use archgen_spec::topology::{Component, Instance, ServiceKind, StoreId, Topology};
use archgen_store::{EngineKind, replication::Policy};

use crate::{Host, Means};

/// Host name to the address where it listens and is called.
pub type Addresses = BTreeMap<String, Address>;

/// Where people reach the system from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrls {
    /// Base URL of the gateway, without a final slash.
    pub gateway: String,
    /// Base URLs of the realtime hosts, ordinal order.
    pub realtime: Vec<String>,
}

/// Everything that is decided before the first host starts.
#[derive(Debug, Clone)]
pub struct Assembly {
    /// The resolved spec.
    pub topology: Arc<Topology>,
    /// Address of every instance in it.
    pub addresses: Addresses,
    /// The fleet's key.
    pub key: ServiceKey,
    /// Engine under embedded stores.
    pub engine: EngineKind,
    /// Whether embedded stores keep the copies that the spec asks for, as a simulation does; one copy otherwise.
    pub copies: bool,
    /// Public URLs.
    pub public: PublicUrls,
    /// Secrets and schemas of real stores.
    pub means: Means,
    /// Nodes with which an embedded store began, where these are not those that it has: what was moved since, its nodes know.
    pub founders: BTreeMap<String, u32>,
}

impl Assembly {
    /// The address of a host.
    pub(crate) fn address(&self, host: &str) -> Result<&Address, FleetError> {
        self.addresses.get(host).ok_or_else(|| FleetError::NoAddress(host.to_owned()))
    }

    /// What the copies of an embedded store promise; `None` where it keeps one.
    pub(crate) fn policy(&self, id: StoreId) -> Option<Policy> {
        let store = self.topology.store(id);
        // Where the data of a store move, it keeps one copy of them.
        Policy::of(store).filter(|_| self.copies && !self.founders.contains_key(&store.name))
    }

    /// Ownership shards of the channels: those of the messaging service.
    pub(crate) fn shards(&self) -> u16 {
        let messaging = self.topology.services.iter().find(|s| s.kind == ServiceKind::Messaging);
        messaging.map_or(1, |s| s.shards.max(1))
    }
}

/// Why a topology cannot be assembled or a host ended.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// An instance has no address.
    #[error("no address for host `{0}`")]
    NoAddress(String),
    /// A service lacks a store it cannot work without.
    #[error(
        "service `{service}` needs a {kind} store: name one of its datasets under `needs`, `publishes` or `consumes`"
    )]
    NoStore {
        /// The service.
        service: String,
        /// Engine family.
        kind: &'static str,
    },
    /// A service lacks another service it cannot work without.
    #[error("`{component}` needs a service of kind `{kind}` in the topology")]
    NoService {
        /// The component.
        component: String,
        /// Service kind.
        kind: &'static str,
    },
    /// A component is declared with an engine that this build does not run.
    #[error(
        "`{0}` ({1}) has nothing to run on: say `embedded: true`, `endpoint: host:port` or `managed: true` in the environment's overlay"
    )]
    NotEmbedded(String, &'static str),
    /// A simulation reaches no real engine.
    #[error(
        "store `{0}` is on a real engine, which no simulation reaches: simulate an environment where it is embedded"
    )]
    NotSimulated(String),
    /// The driver of a store's engine is not in this build.
    #[error(transparent)]
    NotBuilt(#[from] NotBuilt),
    /// A secret that a store names was not given.
    #[error("store `{store}` names the secret `{secret}`, which this process was not given")]
    NoSecret {
        /// The store.
        store: String,
        /// The secret's name.
        secret: String,
    },
    /// A host ended with an error.
    #[error("host `{host}` ended: {reason}")]
    Ended {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
}

/// The hosts of the fleet, in component order.
///
/// # Errors
/// See [`FleetError`]: every host is checked before any is returned.
pub fn hosts(assembly: &Arc<Assembly>) -> Result<Vec<Host>, FleetError> {
    let topology = &assembly.topology;
    // A server of a real engine is no host of ours, also where `archgen up` starts it.
    let ours = |i: &Instance| match i.component {
        Component::Store(id) => !topology.store(id).is_real(),
        Component::Registry => topology.registry.as_ref().is_none_or(|r| !r.is_real()),
        Component::Gateway => topology.gateway.as_ref().is_none_or(|g| !g.managed),
        _ => true,
    };
    topology.instances().into_iter().filter(ours).map(|instance| Host::new(assembly, instance)).collect()
}
