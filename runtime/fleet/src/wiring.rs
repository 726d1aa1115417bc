//! From a component's place in the topology to what its host is handed: peers, ports, context.

use std::sync::Arc;

use archgen_backends::{Metrics, PortSet, consul::ConsulRegistry};
use archgen_env::{Env, net::Address};
use archgen_ports::{
    accounts::Accounts, blobs::Blobs, cache::Cache, documents::Documents, events::Events, index::Index,
    messages::Messages, registry::Registry,
};
use archgen_services::host::{HostContext, Peer, Peers, Terms};
use archgen_spec::sharding::SLOTS;
use archgen_spec::topology::{Component, DatasetRef, Instance, Service, ServiceId, ServiceKind, StoreId, StoreKind};
use archgen_store::{PlacedClient, StoreClient};

use crate::{
    Assembly, FleetError,
    real::{open, registry, watch},
};

/// Everything one host is wired from.
pub(crate) struct Wiring<'a> {
    pub(crate) assembly: &'a Assembly,
    pub(crate) instance: &'a Instance,
    pub(crate) env: Env,
    /// Of its real engines.
    pub(crate) metrics: Metrics,
}

impl Wiring<'_> {
    /// Name of this host's component.
    pub(crate) fn component(&self) -> &str {
        self.assembly.topology.component_name(self.instance.component)
    }

    /// Addresses of a component's instances, ordinal order.
    pub(crate) fn addresses(&self, component: Component) -> Result<Vec<Address>, FleetError> {
        let instances = self.assembly.topology.component_instances(component);
        instances.iter().map(|i| self.assembly.address(&i.name).cloned()).collect()
    }

    /// Whether the data of a store move between its nodes: where it keeps a single copy of them.
    pub(crate) fn moves(&self, id: StoreId) -> bool {
        self.assembly.policy(id).is_none()
    }

    /// What a store places, and moves, as a whole: ownership shards, all accounts at once, slots.
    pub(crate) fn units(&self, id: StoreId) -> u16 {
        match self.assembly.topology.store(id).kind {
            StoreKind::Cassandra => self.assembly.shards(),
            StoreKind::Postgres => 1,
            _ => SLOTS,
        }
    }

    /// Nodes by whose number the keys of a store were first laid out.
    pub(crate) fn first_nodes(&self, id: StoreId) -> usize {
        let store = self.assembly.topology.store(id);
        let founders = self.assembly.founders.get(&store.name).copied().filter(|_| self.moves(id));
        founders.unwrap_or(store.nodes).max(1) as usize
    }

    /// Addresses of the nodes with which a store began: all of them, unless the assembly says otherwise.
    pub(crate) fn founders(&self, id: StoreId) -> Result<Vec<Address>, FleetError> {
        let store = self.assembly.topology.store(id);
        let address = |number: usize| self.assembly.addresses.get(&format!("{}-{number}", store.name)).cloned();
        let found: Vec<Address> = (1..=self.first_nodes(id)).filter_map(address).collect();
        // Founders that left are known to the placement, if to nobody else.
        if found.is_empty() { self.addresses(Component::Store(id)) } else { Ok(found) }
    }

    /// A component's instances as peers, ordinal order.
    pub(crate) fn peer_list(&self, component: Component) -> Result<Vec<Peer>, FleetError> {
        let instances = self.assembly.topology.component_instances(component);
        let peer = |i: Instance| Ok(Peer { address: self.assembly.address(&i.name)?.clone(), name: i.name });
        instances.into_iter().map(peer).collect()
    }

    /// The context of this host.
    pub(crate) fn context(&self) -> Result<HostContext, FleetError> {
        let topology = &self.assembly.topology;
        let registry: Option<Arc<dyn Registry>> = match (&topology.registry, self.instance.component) {
            (None, _) | (_, Component::Registry) => None,
            (Some(declared), _) if declared.is_real() => {
                Some(registry(self.assembly, &self.env, self.metrics.clone())?)
            }
            (Some(_), _) => {
                let agents = self.addresses(Component::Registry)?;
                let key = self.assembly.key.expose();
                Some(Arc::new(ConsulRegistry::new(self.env.clone(), agents, Some(key))))
            }
        };
        let replicas = topology.component_instances(self.instance.component).len() as u32;
        let context = HostContext::new(
            self.env.clone(),
            self.component(),
            self.instance.ordinal,
            replicas,
            &self.instance.zone,
            self.assembly.address(&self.instance.name)?.clone(),
            self.assembly.key.clone(),
            registry,
        );
        if topology.stores.iter().any(|s| s.is_real()) || topology.registry.as_ref().is_some_and(|r| r.is_real()) {
            self.metrics.register(&context.probe);
        }
        Ok(HostContext { timeout: self.declared().and_then(|service| service.timeout), ..context })
    }

    /// What the spec says of this host's service, where it is one.
    fn declared(&self) -> Option<&Service> {
        match self.instance.component {
            Component::Service(id) => Some(self.assembly.topology.service(id)),
            _ => None,
        }
    }

    /// Callable peers of a component.
    pub(crate) fn peers(&self, context: &HostContext, component: Component) -> Result<Peers, FleetError> {
        let (topology, me) = (&self.assembly.topology, self.instance.component);
        // Firewalls and intentions are made of that table.
        debug_assert!(
            component == me || topology.component_calls(me).contains(&component),
            "`component_calls` does not say that {me:?} calls {component:?}"
        );
        let name = topology.component_name(component);
        let timeout = match component {
            Component::Service(id) => topology.service(id).timeout,
            _ => None,
        };
        let terms = Terms { timeout, retries: self.declared().and_then(|service| service.retries) };
        let (client, key) = (context.client.clone(), context.key.clone());
        Ok(Peers::of(&context.directory, name, self.peer_list(component)?, client, key).on(terms))
    }

    /// Callable peers of the one service of this kind.
    pub(crate) fn service(
        &self,
        context: &HostContext,
        kind: &ServiceKind,
        name: &'static str,
    ) -> Result<Peers, FleetError> {
        let found = self.service_component(kind);
        let missing = || FleetError::NoService { component: self.component().to_owned(), kind: name };
        self.peers(context, found.ok_or_else(missing)?)
    }

    /// The component of the first service of this kind.
    pub(crate) fn service_component(&self, kind: &ServiceKind) -> Option<Component> {
        let services = &self.assembly.topology.services;
        services.iter().position(|s| s.kind == *kind).map(|i| Component::Service(ServiceId(i)))
    }

    /// Callable peers of the realtime layer, where there is one.
    pub(crate) fn realtime(&self, context: &HostContext) -> Result<Option<Peers>, FleetError> {
        let declared = self.assembly.topology.realtime.is_some();
        declared.then(|| self.peers(context, Component::Realtime)).transpose()
    }

    /// The ports of a store: archgen's own node behind all of them, or the real engine behind those that it serves.
    fn port_set(&self, context: &HostContext, id: StoreId) -> Result<PortSet, FleetError> {
        let store = self.assembly.topology.store(id);
        if store.is_real() {
            let retries = self.declared().and_then(|service| service.retries);
            let backend = open(self.assembly, id, &self.env, self.metrics.clone(), retries)?;
            // The loss of a cache costs latency only: nobody is unready for it.
            if store.kind != StoreKind::Redis {
                watch(context, backend.clone());
            }
            return Ok(backend.ports());
        }
        self.embedded(id)
    }

    /// The ports of a store, whoever asks and whether or not it is there.
    pub(crate) fn store_ports(&self, id: StoreId) -> Result<PortSet, FleetError> {
        match self.assembly.topology.store(id).is_real() {
            true => Ok(open(self.assembly, id, &self.env, self.metrics.clone(), None)?.ports()),
            false => self.embedded(id),
        }
    }

    /// Archgen's own node behind the ports that it serves.
    fn embedded(&self, id: StoreId) -> Result<PortSet, FleetError> {
        let store = self.assembly.topology.store(id);
        let retries = self.declared().and_then(|service| service.retries);
        if !store.embedded {
            return Err(FleetError::NotEmbedded(store.name.clone(), store.kind.name()));
        }
        let (key, retries) = (&self.assembly.key, retries.unwrap_or(0));
        if self.moves(id) {
            let client = PlacedClient::new(&self.env, self.founders(id)?, key, self.units(id));
            return Ok(ports_of(store.kind, client.on(store.timeout, retries)));
        }
        let (nodes, policy) = (self.addresses(Component::Store(id))?, self.assembly.policy(id));
        let client = StoreClient::copied(&self.env, nodes, key.clone(), self.assembly.shards(), policy);
        Ok(ports_of(store.kind, client.on(store.timeout, retries)))
    }

    /// The ports of a service, by the stores that it names. The first store of a kind serves it.
    pub(crate) fn ports(&self, context: &HostContext, service: &Service) -> Result<Ports, FleetError> {
        let mut kinds = Vec::new();
        let mut set = PortSet::default();
        for id in service.stores() {
            let kind = self.assembly.topology.store(id).kind;
            if kinds.contains(&kind) {
                continue;
            }
            kinds.push(kind);
            let more = self.port_set(context, id)?;
            set = PortSet {
                accounts: set.accounts.or(more.accounts),
                messages: set.messages.or(more.messages),
                documents: set.documents.or(more.documents),
                cache: set.cache.or(more.cache),
                events: set.events.or(more.events),
                index: set.index.or(more.index),
                blobs: set.blobs.or(more.blobs),
                ..PortSet::default()
            };
        }
        Ok(Ports { service: service.name.clone(), set })
    }

    /// A cache for a component that names none itself: the first in the topology.
    pub(crate) fn any_cache(&self, context: &HostContext) -> Result<Option<Arc<dyn Cache>>, FleetError> {
        let caches = self.assembly.topology.stores.iter().position(|s| s.kind == StoreKind::Redis);
        let Some(id) = caches.map(StoreId) else { return Ok(None) };
        Ok(self.port_set(context, id)?.cache)
    }

    /// Name of a topic, bucket or other dataset.
    pub(crate) fn dataset(&self, reference: DatasetRef) -> String {
        self.assembly.topology.store(reference.store).datasets[reference.dataset].name.clone()
    }

    /// Whether a store is of this kind.
    pub(crate) fn is_kind(&self, id: StoreId, kind: StoreKind) -> bool {
        self.assembly.topology.store(id).kind == kind
    }

    /// The topics that a service consumes, in declared order.
    pub(crate) fn consumed(&self, service: &Service) -> Vec<String> {
        service.consumes.iter().map(|d| self.dataset(*d)).collect()
    }

    /// The first topic that a service publishes to.
    pub(crate) fn topic(&self, service: &Service) -> Option<String> {
        service.publishes.first().map(|d| self.dataset(*d))
    }
}

/// The port of a kind of store, however its nodes are reached.
fn ports_of<C>(kind: StoreKind, client: C) -> PortSet
where
    C: Accounts + Messages + Documents + Cache + Events + Index + Blobs + 'static,
{
    let client = Arc::new(client);
    match kind {
        StoreKind::Postgres => PortSet { accounts: Some(client), ..PortSet::default() },
        StoreKind::Cassandra => PortSet { messages: Some(client), ..PortSet::default() },
        StoreKind::Mongodb => PortSet { documents: Some(client), ..PortSet::default() },
        StoreKind::Redis => PortSet { cache: Some(client), ..PortSet::default() },
        StoreKind::Kafka => PortSet { events: Some(client), ..PortSet::default() },
        StoreKind::Elasticsearch => PortSet { index: Some(client), ..PortSet::default() },
        StoreKind::S3 => PortSet { blobs: Some(client), ..PortSet::default() },
    }
}

/// The ports of one service.
pub(crate) struct Ports {
    service: String,
    set: PortSet,
}

impl Ports {
    fn must<T>(&self, port: &Option<T>, kind: StoreKind) -> Result<T, FleetError>
    where
        T: Clone,
    {
        port.clone().ok_or_else(|| FleetError::NoStore { service: self.service.clone(), kind: kind.name() })
    }

    pub(crate) fn accounts(&self) -> Result<Arc<dyn Accounts>, FleetError> {
        self.must(&self.set.accounts, StoreKind::Postgres)
    }

    pub(crate) fn messages(&self) -> Result<Arc<dyn Messages>, FleetError> {
        self.must(&self.set.messages, StoreKind::Cassandra)
    }

    pub(crate) fn documents(&self) -> Result<Arc<dyn Documents>, FleetError> {
        self.must(&self.set.documents, StoreKind::Mongodb)
    }

    pub(crate) fn events(&self) -> Result<Arc<dyn Events>, FleetError> {
        self.must(&self.set.events, StoreKind::Kafka)
    }

    pub(crate) fn index(&self) -> Result<Arc<dyn Index>, FleetError> {
        self.must(&self.set.index, StoreKind::Elasticsearch)
    }

    pub(crate) fn blobs(&self) -> Result<Arc<dyn Blobs>, FleetError> {
        self.must(&self.set.blobs, StoreKind::S3)
    }

    pub(crate) fn optional_events(&self) -> Option<Arc<dyn Events>> {
        self.set.events.clone()
    }

    pub(crate) fn optional_cache(&self) -> Option<Arc<dyn Cache>> {
        self.set.cache.clone()
    }
}
