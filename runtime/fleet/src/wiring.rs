//! From a component's place in the topology to what its host is handed: peers, ports, context.

use std::sync::Arc;

use archgen_backends::consul::ConsulRegistry;
use archgen_env::{Env, net::Address};
use archgen_ports::{
    accounts::Accounts, blobs::Blobs, cache::Cache, documents::Documents, events::Events, index::Index,
    messages::Messages, registry::Registry,
};
use archgen_services::host::{HostContext, Peer, Peers};
use archgen_spec::topology::{Component, DatasetRef, Instance, Service, ServiceId, ServiceKind, StoreId, StoreKind};
use archgen_store::StoreClient;

use crate::{Assembly, FleetError};

/// Everything one host is wired from.
pub(crate) struct Wiring<'a> {
    pub(crate) assembly: &'a Assembly,
    pub(crate) instance: &'a Instance,
    pub(crate) env: Env,
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
            (Some(_), _) => {
                let agents = self.addresses(Component::Registry)?;
                let key = self.assembly.key.expose();
                Some(Arc::new(ConsulRegistry::new(self.env.clone(), agents, Some(key))))
            }
        };
        let replicas = topology.component_instances(self.instance.component).len() as u32;
        Ok(HostContext::new(
            self.env.clone(),
            self.component(),
            self.instance.ordinal,
            replicas,
            &self.instance.zone,
            self.assembly.address(&self.instance.name)?.clone(),
            self.assembly.key.clone(),
            registry,
        ))
    }

    /// Callable peers of a component.
    pub(crate) fn peers(&self, context: &HostContext, component: Component) -> Result<Peers, FleetError> {
        let name = self.assembly.topology.component_name(component);
        Ok(Peers::new(name, self.peer_list(component)?, context.client.clone(), context.key.clone()))
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

    fn client(&self, id: StoreId) -> Result<Arc<StoreClient>, FleetError> {
        let store = self.assembly.topology.store(id);
        if !store.embedded {
            return Err(FleetError::NotEmbedded(store.name.clone(), store.kind.name()));
        }
        let nodes = self.addresses(Component::Store(id))?;
        Ok(Arc::new(StoreClient::new(&self.env, nodes, self.assembly.key.clone(), self.assembly.shards())))
    }

    /// The store of this kind among these, where there is one.
    fn find(&self, stores: &[StoreId], kind: StoreKind) -> Result<Option<Arc<StoreClient>>, FleetError> {
        let found = stores.iter().find(|id| self.assembly.topology.store(**id).kind == kind);
        found.map(|id| self.client(*id)).transpose()
    }

    /// The ports of a service, by the stores that it names.
    pub(crate) fn ports(&self, service: &Service) -> Result<Ports, FleetError> {
        let stores = service.stores();
        Ok(Ports {
            service: service.name.clone(),
            accounts: self.find(&stores, StoreKind::Postgres)?,
            messages: self.find(&stores, StoreKind::Cassandra)?,
            documents: self.find(&stores, StoreKind::Mongodb)?,
            cache: self.find(&stores, StoreKind::Redis)?,
            events: self.find(&stores, StoreKind::Kafka)?,
            index: self.find(&stores, StoreKind::Elasticsearch)?,
            blobs: self.find(&stores, StoreKind::S3)?,
        })
    }

    /// A cache for a component that names none itself: the first in the topology.
    pub(crate) fn any_cache(&self) -> Result<Option<Arc<dyn Cache>>, FleetError> {
        let all: Vec<StoreId> = (0..self.assembly.topology.stores.len()).map(StoreId).collect();
        Ok(self.find(&all, StoreKind::Redis)?.map(|c| c as Arc<dyn Cache>))
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

/// The ports of one service; each is there where the service names a store of that kind.
pub(crate) struct Ports {
    service: String,
    accounts: Option<Arc<StoreClient>>,
    messages: Option<Arc<StoreClient>>,
    documents: Option<Arc<StoreClient>>,
    cache: Option<Arc<StoreClient>>,
    events: Option<Arc<StoreClient>>,
    index: Option<Arc<StoreClient>>,
    blobs: Option<Arc<StoreClient>>,
}

impl Ports {
    fn must(&self, port: &Option<Arc<StoreClient>>, kind: StoreKind) -> Result<Arc<StoreClient>, FleetError> {
        port.clone().ok_or_else(|| FleetError::NoStore { service: self.service.clone(), kind: kind.name() })
    }

    pub(crate) fn accounts(&self) -> Result<Arc<dyn Accounts>, FleetError> {
        Ok(self.must(&self.accounts, StoreKind::Postgres)?)
    }

    pub(crate) fn messages(&self) -> Result<Arc<dyn Messages>, FleetError> {
        Ok(self.must(&self.messages, StoreKind::Cassandra)?)
    }

    pub(crate) fn documents(&self) -> Result<Arc<dyn Documents>, FleetError> {
        Ok(self.must(&self.documents, StoreKind::Mongodb)?)
    }

    pub(crate) fn events(&self) -> Result<Arc<dyn Events>, FleetError> {
        Ok(self.must(&self.events, StoreKind::Kafka)?)
    }

    pub(crate) fn index(&self) -> Result<Arc<dyn Index>, FleetError> {
        Ok(self.must(&self.index, StoreKind::Elasticsearch)?)
    }

    pub(crate) fn blobs(&self) -> Result<Arc<dyn Blobs>, FleetError> {
        Ok(self.must(&self.blobs, StoreKind::S3)?)
    }

    pub(crate) fn optional_events(&self) -> Option<Arc<dyn Events>> {
        self.events.clone().map(|e| e as Arc<dyn Events>)
    }

    pub(crate) fn optional_cache(&self) -> Option<Arc<dyn Cache>> {
        self.cache.clone().map(|c| c as Arc<dyn Cache>)
    }
}
