//! Starts one host: makes what its program is configured with, and runs the program.

use std::{collections::BTreeMap, sync::Arc};

use archgen_backends::Metrics;
use archgen_env::{Env, http::ServerLimits};
use archgen_ports::cache::Cache;
use archgen_services::{
    file, gateway,
    host::{HostContext, HostError},
    identity::{Revocations, TokenVerifier},
    messaging, notification, realtime, registry, search, user,
};
use archgen_socketio::Origins;
use archgen_spec::topology::{
    Component, Cors, DatasetShape, Instance, Service, ServiceKind, Store, StoreId, StoreKind,
};
use archgen_store::{
    NodeConfig, NodeError, Place,
    replication::{Membership, groups},
};

use crate::{Assembly, FleetError, wiring::Wiring};

/// Largest file where no route says otherwise, bytes.
const FILE_BYTES_MAX: u64 = 100 << 20;
/// How long an upload URL is good, milliseconds.
const UPLOAD_MS_MAX: u64 = 15 * 60_000;
/// How long a download URL is good, milliseconds: as long as the end of a membership waits for it.
const DOWNLOAD_MS_MAX: u64 = messaging::MEMBERSHIP_LEASE_MS - 500;

/// Runs a host until the order to stop.
pub(crate) async fn run(assembly: &Assembly, instance: &Instance, env: Env) -> Result<(), FleetError> {
    let wiring = Wiring { assembly, instance, env, metrics: Metrics::default() };
    let topology = &assembly.topology;
    match instance.component {
        Component::Store(id) => run_store(&wiring, id).await,
        Component::Registry => run_registry(&wiring).await,
        Component::Gateway => run_gateway(&wiring).await,
        Component::Realtime => run_realtime(&wiring).await,
        Component::Service(id) => run_service(&wiring, topology.service(id)).await,
    }
}

fn ended(wiring: &Wiring<'_>, result: Result<(), HostError>) -> Result<(), FleetError> {
    result.map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |c| format!(": {c}"));
        FleetError::Ended { host: wiring.instance.name.clone(), reason: format!("{error}{cause}") }
    })
}

fn topics(store: &Store) -> BTreeMap<String, u16> {
    let partitions = store.datasets.iter().filter_map(|d| match &d.shape {
        DatasetShape::Topic { partitions, .. } => Some((d.name.clone(), (*partitions).clamp(1, 1_024) as u16)),
        _ => None,
    });
    partitions.collect()
}

async fn run_store(wiring: &Wiring<'_>, id: StoreId) -> Result<(), FleetError> {
    let store = wiring.assembly.topology.store(id);
    if !store.embedded {
        return Err(FleetError::NotEmbedded(store.name.clone(), store.kind.name()));
    }
    let address = wiring.assembly.address(&wiring.instance.name)?.clone();
    let config = NodeConfig {
        store: store.name.clone(),
        public_url: format!("http://{address}"),
        address,
        key: wiring.assembly.key.clone(),
        engine: wiring.assembly.engine,
        nodes: wiring.first_nodes(id),
        topics: topics(store),
        membership: membership(wiring, id)?,
        place: Place {
            ordinal: wiring.instance.ordinal,
            founders: wiring.founders(id)?,
            addresses: wiring.addresses(Component::Store(id))?,
            units: wiring.units(id),
        },
    };
    archgen_store::run(wiring.env.clone(), config).await.map_err(|error: NodeError| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |c| format!(": {c}"));
        FleetError::Ended { host: wiring.instance.name.clone(), reason: format!("{error}{cause}") }
    })
}

/// The group of a node whose store keeps copies. A node that is left over keeps none.
fn membership(wiring: &Wiring<'_>, id: StoreId) -> Result<Option<Membership>, FleetError> {
    let Some(policy) = wiring.assembly.policy(id) else { return Ok(None) };
    let nodes = wiring.addresses(Component::Store(id))?;
    let me = wiring.instance.ordinal as usize;
    let group = groups(nodes.len(), policy.copies as usize).into_iter().find(|group| group.contains(&me));
    Ok(group.map(|group| Membership { me: me - group.start, members: nodes[group].to_vec(), policy }))
}

async fn run_registry(wiring: &Wiring<'_>) -> Result<(), FleetError> {
    let declared = wiring.assembly.topology.registry.as_ref();
    let embedded = declared.is_some_and(|r| r.embedded);
    let registry = declared.filter(|_| embedded).ok_or(FleetError::NotEmbedded("registry".to_owned(), "consul"))?;
    let mut others = wiring.peer_list(Component::Registry)?;
    others.retain(|peer| peer.name != wiring.instance.name);
    let config =
        registry::Config { datacenter: registry.datacenter.clone(), default_deny: registry.default_deny, others };
    ended(wiring, registry::run(wiring.context()?, config).await)
}

fn verifier(wiring: &Wiring<'_>, context: &HostContext) -> Result<TokenVerifier, FleetError> {
    let user = wiring.service(context, &ServiceKind::User, "user")?;
    Ok(TokenVerifier::new(wiring.env.clone(), user, &wiring.assembly.topology.name))
}

/// What a host that checks tokens knows of ended sessions.
fn revocations(
    wiring: &Wiring<'_>,
    context: &HostContext,
    cache: Option<Arc<dyn Cache>>,
) -> Result<Revocations, FleetError> {
    Ok(Revocations::new(cache, Some(wiring.service(context, &ServiceKind::User, "user")?)))
}

async fn run_gateway(wiring: &Wiring<'_>) -> Result<(), FleetError> {
    let topology = &wiring.assembly.topology;
    let declared = topology.gateway.as_ref().filter(|g| g.embedded);
    let declared = declared.ok_or(FleetError::NotEmbedded("gateway".to_owned(), "nginx"))?;
    let context = wiring.context()?;
    let mut services = Vec::with_capacity(topology.services.len());
    for (index, service) in topology.services.iter().enumerate() {
        services.push(gateway::Upstream {
            name: service.name.clone(),
            peers: wiring.peer_list(Component::Service(archgen_spec::topology::ServiceId(index)))?,
            fleet: !matches!(service.kind, ServiceKind::Process { .. }),
        });
    }
    let cache = wiring.any_cache(&context)?;
    let accounts = wiring.service_component(&ServiceKind::User).is_some();
    let config = gateway::Config {
        name: topology.name.clone(),
        gateway: declared.clone(),
        services,
        // A system without accounts has routes that are open, and nobody who could sign in.
        revocations: match accounts {
            true => revocations(wiring, &context, cache.clone())?,
            false => Revocations::new(cache.clone(), None),
        },
        verifier: accounts.then(|| verifier(wiring, &context)).transpose()?,
        cache,
        realtime: wiring.assembly.public.realtime.clone(),
        server: ServerLimits::default(),
    };
    ended(wiring, gateway::run(context, config).await)
}

async fn run_realtime(wiring: &Wiring<'_>) -> Result<(), FleetError> {
    let topology = &wiring.assembly.topology;
    let missing = || FleetError::NoService { component: "realtime".to_owned(), kind: "realtime" };
    let declared = topology.realtime.as_ref().ok_or_else(missing)?;
    let context = wiring.context()?;
    let cors = topology.gateway.as_ref().and_then(|g| g.cors.as_ref());
    let config = realtime::Config {
        messaging: wiring.service(&context, &ServiceKind::Messaging, "messaging")?,
        user: wiring.service(&context, &ServiceKind::User, "user")?,
        realtime: wiring.peers(&context, Component::Realtime)?,
        verifier: verifier(wiring, &context)?,
        revocations: revocations(wiring, &context, wiring.any_cache(&context)?)?,
        origins: origins(cors, &wiring.assembly.public.gateway),
        credentials: cors.is_none_or(|c| c.credentials),
        ping_interval_ms: declared.ping_interval.as_millis() as u64,
        ping_timeout_ms: declared.ping_timeout.as_millis() as u64,
        sessions_max: declared.connections_per_replica_max as usize,
    };
    ended(wiring, realtime::run(context, config).await)
}

/// Pages that may connect: those of the gateway, and those of other origins to which the spec opens the API.
fn origins(cors: Option<&Cors>, gateway: &str) -> Origins {
    if cors.is_some_and(|c| c.any) {
        return Origins::Any;
    }
    let mut origins = page_origins(gateway);
    origins.extend(cors.iter().flat_map(|c| c.origins.iter().cloned()));
    Origins::These(origins)
}

/// The origins at which browsers know the gateway: on loopback, by both of its names.
fn page_origins(gateway: &str) -> Vec<String> {
    let mut origins = vec![gateway.to_owned()];
    if gateway.contains("//127.0.0.1") {
        origins.push(gateway.replace("//127.0.0.1", "//localhost"));
    }
    origins
}

async fn run_service(wiring: &Wiring<'_>, service: &Service) -> Result<(), FleetError> {
    match &service.kind {
        ServiceKind::User => run_user(wiring, service).await,
        ServiceKind::File => run_file(wiring, service).await,
        ServiceKind::Notification => run_notification(wiring, service).await,
        ServiceKind::Search => run_search(wiring, service).await,
        ServiceKind::Messaging => run_messaging(wiring, service).await,
        ServiceKind::Process { .. } => {
            Err(FleetError::NotEmbedded(service.name.clone(), "programs of the user's own yet"))
        }
    }
}

async fn run_messaging(wiring: &Wiring<'_>, service: &Service) -> Result<(), FleetError> {
    let context = wiring.context()?;
    let ports = wiring.ports(&context, service)?;
    let of = |kind| wiring.service_component(kind).map(|component| wiring.peers(&context, component)).transpose();
    let config = messaging::Config {
        messages: ports.messages()?,
        accounts: ports.accounts()?,
        events: ports.optional_events(),
        topic: wiring.topic(service).unwrap_or_else(|| "message".to_owned()),
        user: wiring.service(&context, &ServiceKind::User, "user")?,
        messaging: wiring.peers(&context, wiring.instance.component)?,
        realtime: wiring.realtime(&context)?,
        file: of(&ServiceKind::File)?,
        search: of(&ServiceKind::Search)?,
        shards: service.shards,
        lease_ms: service.lease.as_millis() as u64,
    };
    ended(wiring, messaging::run(context, config).await)
}

async fn run_user(wiring: &Wiring<'_>, service: &Service) -> Result<(), FleetError> {
    let context = wiring.context()?;
    let ports = wiring.ports(&context, service)?;
    let topology = &wiring.assembly.topology;
    let public_url = wiring.assembly.public.gateway.clone();
    let config = user::Config {
        accounts: ports.accounts()?,
        cache: ports.optional_cache(),
        events: ports.optional_events(),
        topic: wiring.topic(service).unwrap_or_else(|| "user".to_owned()),
        clients: vec![user::RegisteredClient::web(&topology.name, vec![format!("{public_url}/")])],
        public_url,
        audience: topology.name.clone(),
        password_memory_bytes: service.password_memory_bytes,
        realtime: wiring.realtime(&context)?,
        gateways: topology
            .gateway
            .as_ref()
            .filter(|g| g.embedded)
            .map(|_| wiring.peers(&context, Component::Gateway))
            .transpose()?,
    };
    ended(wiring, user::run(context, config).await)
}

async fn run_file(wiring: &Wiring<'_>, service: &Service) -> Result<(), FleetError> {
    let context = wiring.context()?;
    let ports = wiring.ports(&context, service)?;
    let bucket = service.needs.iter().find_map(|need| match need {
        archgen_spec::topology::Need::Dataset(d) if wiring.is_kind(d.store, StoreKind::S3) => Some(wiring.dataset(*d)),
        _ => None,
    });
    let routes = wiring.assembly.topology.gateway.as_ref().map(|g| g.routes.as_slice()).unwrap_or_default();
    let limit = routes.iter().filter(|r| r.prefix == "/api/v1/files").map(|r| r.body_bytes_max).max();
    let config = file::Config {
        documents: ports.documents()?,
        blobs: ports.blobs()?,
        bucket: bucket.unwrap_or_else(|| "files".to_owned()),
        events: ports.optional_events(),
        topic: wiring.topic(service).unwrap_or_else(|| "file".to_owned()),
        messaging: wiring.service(&context, &ServiceKind::Messaging, "messaging")?,
        file_bytes_max: limit.unwrap_or(FILE_BYTES_MAX),
        upload_ms_max: UPLOAD_MS_MAX,
        download_ms_max: DOWNLOAD_MS_MAX,
    };
    ended(wiring, file::run(context, config).await)
}

async fn run_notification(wiring: &Wiring<'_>, service: &Service) -> Result<(), FleetError> {
    let context = wiring.context()?;
    let ports = wiring.ports(&context, service)?;
    let config = notification::Config {
        documents: ports.documents()?,
        events: ports.events()?,
        message_topic: wiring.consumed(service).into_iter().next().unwrap_or_else(|| "message".to_owned()),
        messaging: wiring.service(&context, &ServiceKind::Messaging, "messaging")?,
        realtime: wiring.realtime(&context)?,
    };
    ended(wiring, notification::run(context, config).await)
}

async fn run_search(wiring: &Wiring<'_>, service: &Service) -> Result<(), FleetError> {
    let context = wiring.context()?;
    let ports = wiring.ports(&context, service)?;
    let config = search::Config {
        index: ports.index()?,
        events: ports.events()?,
        topics: wiring.consumed(service),
        messaging: wiring.service(&context, &ServiceKind::Messaging, "messaging")?,
        user: wiring.service(&context, &ServiceKind::User, "user")?,
    };
    ended(wiring, search::run(context, config).await)
}
