//! The whole system and the ids by which its parts refer to each other.

use indexmap::IndexMap;
use serde::Serialize;

use super::{Gateway, Load, Objectives, Policy, Prices, Realtime, Registry, Service, Simulation, Store, Test};

/// Index of a service in [`Topology::services`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServiceId(pub usize);

/// Index of a store in [`Topology::stores`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StoreId(pub usize);

/// A table, collection, topic, index or bucket: `stores.<store>.<…>.<dataset>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DatasetRef {
    /// The store that holds it.
    pub store: StoreId,
    /// Its index in [`Store::datasets`].
    pub dataset: usize,
}

/// What a component may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Need {
    /// Another service, called over HTTP.
    Service(ServiceId),
    /// A whole store (a cache has no datasets).
    Store(StoreId),
    /// One dataset of a store.
    Dataset(DatasetRef),
}

/// Where a secret's bytes come from at run time. The bytes themselves are never held here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum SecretSource {
    /// An environment variable of the process that runs the host.
    Environment(String),
    /// A file, relative to the spec.
    File(String),
}

/// The system that one spec describes.
#[derive(Debug, Clone, Serialize)]
pub struct Topology {
    /// The system's name: `[a-z][a-z0-9-]*`.
    pub name: String,
    /// Failure domains, in declared order. Never empty (a spec without zones has the one zone `local`).
    pub zones: Vec<String>,
    /// Named secrets, by reference only.
    pub secrets: IndexMap<String, SecretSource>,
    /// Expected load: the base of capacity and simulation figures.
    pub load: Load,
    /// What parts cost, where that is declared.
    pub prices: Option<Prices>,
    /// What is promised.
    pub objectives: Objectives,
    /// The API gateway, where one is declared.
    pub gateway: Option<Gateway>,
    /// The Socket.IO layer, where one is declared.
    pub realtime: Option<Realtime>,
    /// The service registry, where one is declared.
    pub registry: Option<Registry>,
    /// Services in declared order; [`ServiceId`] indexes this.
    pub services: Vec<Service>,
    /// Stores in declared order; [`StoreId`] indexes this.
    pub stores: Vec<Store>,
    /// How the simulator attacks this system.
    pub simulation: Simulation,
    /// Declared policies.
    pub policies: Vec<Policy>,
    /// Declared tests.
    pub tests: Vec<Test>,
    /// How names begin of what `archgen drift` leaves out.
    pub drift_ignored: Vec<String>,
}

impl Topology {
    /// The service with this id.
    pub fn service(&self, id: ServiceId) -> &Service {
        &self.services[id.0]
    }

    /// The store with this id.
    pub fn store(&self, id: StoreId) -> &Store {
        &self.stores[id.0]
    }

    /// The service of this name.
    pub fn service_named(&self, name: &str) -> Option<(ServiceId, &Service)> {
        self.services.iter().enumerate().find(|(_, s)| s.name == name).map(|(i, s)| (ServiceId(i), s))
    }

    /// The store of this name.
    pub fn store_named(&self, name: &str) -> Option<(StoreId, &Store)> {
        self.stores.iter().enumerate().find(|(_, s)| s.name == name).map(|(i, s)| (StoreId(i), s))
    }

    /// The same system under so many times its declared load.
    pub fn under_load(&self, times: f64) -> Self {
        let mut scaled = self.clone();
        let load = &mut scaled.load;
        let count = |value: u64| (value as f64 * times).round() as u64;
        (load.users, load.online) = (count(load.users), count(load.online));
        load.messages.mean_per_second *= times;
        load.messages.peak_per_second *= times;
        scaled
    }

    /// The component name that a need points at: a service's or a store's name.
    pub fn need_component(&self, need: Need) -> &str {
        match need {
            Need::Service(id) => &self.service(id).name,
            Need::Store(id) => &self.store(id).name,
            Need::Dataset(d) => &self.store(d.store).name,
        }
    }
}
