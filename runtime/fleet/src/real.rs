//! Stores and a registry on real engines: from what the spec says to a [`Backend`], and what a host knows of one while it runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use archgen_backends::{
    Backend, Credentials, Dataset, Engine, Fault, FaultKind, Metrics, Schema, Secret, Server, Target, Tls, connect,
};
use archgen_env::{Env, net::Address};
use archgen_ports::registry::Registry;
use archgen_services::host::HostContext;
use archgen_spec::topology::{Authority, Component, Consistency, DatasetShape, Store, StoreId, Topology};
use tokio::time::{sleep, timeout};

use crate::{Assembly, FleetError};

/// Longest look at a real engine.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Time between looks at the engines that a host needs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What only the command line can bring: secrets' texts and generated schemas.
#[derive(Debug, Clone, Default)]
pub struct Means {
    /// Secret name to its text, of the secrets that real stores name.
    pub secrets: BTreeMap<String, Secret>,
    /// Store name to its generated schema.
    pub schemas: BTreeMap<String, String>,
}

/// A store or registry on a real engine, as a supervisor looks at it.
#[derive(Clone)]
pub struct RealStore {
    /// The name under which hosts wait for it: the store's, or its one instance's where `archgen up` starts the server.
    pub name: String,
    /// Engine family: `postgres`, `consul`.
    pub kind: &'static str,
    /// Where it is: the first of its addresses.
    pub address: Address,
    /// Whether `archgen up` starts the server.
    pub managed: bool,
    backend: Arc<dyn Backend>,
    prepared: Arc<AtomicBool>,
}

impl std::fmt::Debug for RealStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RealStore").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl RealStore {
    /// Whether the engine is there, is the right one, and has the right schema, which is made where there is none. A server that
    /// was away is looked at anew.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn look(&self) -> Result<Server, Fault> {
        let prepared = self.prepared.load(Ordering::Relaxed);
        let look = async { if prepared { self.backend.check().await } else { self.backend.prepare().await } };
        // A schema of some thousand partitions takes its time; a look does not.
        let within = if prepared { LOOK_WITHIN } else { 12 * LOOK_WITHIN };
        let found = timeout(within, look).await.unwrap_or_else(|_| {
            let why = format!("nothing within {} s", within.as_secs());
            Err(FaultKind::Unreachable(why).at(self.backend.target()))
        });
        self.prepared.store(found.is_ok(), Ordering::Relaxed);
        found
    }
}

/// The stores on real engines, the registry first where it is one.
///
/// # Errors
/// A driver is not built in, or a secret is missing.
pub fn real_stores(assembly: &Assembly, env: &Env) -> Result<Vec<RealStore>, FleetError> {
    let topology = &assembly.topology;
    let real = |component: Component, managed: bool, backend: Arc<dyn Backend>| RealStore {
        name: unit_name(topology, component),
        kind: backend.target().engine.feature(),
        address: backend.target().endpoints[0].clone(),
        managed,
        backend,
        prepared: Arc::default(),
    };
    let mut all = Vec::new();
    if let Some(registry) = topology.registry.as_ref().filter(|r| r.is_real()) {
        let backend = connect(env, registry_target(assembly)?, Metrics::default())?;
        all.push(real(Component::Registry, registry.managed, backend));
    }
    for (index, store) in topology.stores.iter().enumerate().filter(|(_, store)| store.is_real()) {
        let id = StoreId(index);
        let backend = open(assembly, id, env, Metrics::default(), None)?;
        all.push(real(Component::Store(id), store.managed, backend));
    }
    Ok(all)
}

/// The name under which hosts wait for a real store or registry.
pub(crate) fn unit_name(topology: &Topology, component: Component) -> String {
    let instance = topology.component_instances(component).into_iter().next();
    instance.map_or_else(|| topology.component_name(component).to_owned(), |i| i.name)
}

/// Whether this build can drive an engine of this kind: `postgres`, `consul`.
pub fn drives(kind: &str) -> bool {
    Engine::named(kind).is_some_and(archgen_backends::is_built)
}

/// A backend for this store, whose caller tries reads again so often, where the spec says that.
pub(crate) fn open(
    assembly: &Assembly,
    id: StoreId,
    env: &Env,
    metrics: Metrics,
    retries: Option<u32>,
) -> Result<Arc<dyn Backend>, FleetError> {
    Ok(connect(env, Target { retries, ..target(assembly, id)? }, metrics)?)
}

fn target(assembly: &Assembly, id: StoreId) -> Result<Target, FleetError> {
    let store = assembly.topology.store(id);
    let unusable = || FleetError::NotEmbedded(store.name.clone(), store.kind.name());
    let endpoints = if store.managed {
        vec![assembly.address(&unit_name(&assembly.topology, Component::Store(id)))?.clone()]
    } else {
        let parsed = store.endpoints.iter().map(|e| e.parse::<Address>());
        parsed.collect::<Result<Vec<_>, _>>().map_err(|_| unusable())?
    };
    if endpoints.is_empty() {
        return Err(unusable());
    }
    let secret = |name: &String| {
        let missing = || FleetError::NoSecret { store: store.name.clone(), secret: name.clone() };
        assembly.means.secrets.get(name).cloned().ok_or_else(missing)
    };
    let credentials = match &store.credentials {
        Some(pair) => Some(Credentials { user: pair.user.clone(), password: secret(&pair.password)? }),
        None => None,
    };
    Ok(Target {
        call_ms_max: store.timeout.map(|t| t.as_millis() as u64),
        retries: None,
        store: store.name.clone(),
        engine: Engine::named(store.kind.name()).ok_or_else(unusable)?,
        endpoints,
        namespace: store.namespace.clone(),
        credentials,
        tls: match &store.tls {
            None => Tls::Off,
            Some(Authority::System) => Tls::System,
            Some(Authority::Secret(name)) => Tls::Authority(secret(name)?.expose().to_owned()),
        },
        schema: Schema { text: assembly.means.schemas.get(&store.name).cloned().unwrap_or_default() },
        datasets: datasets(store),
        shards: assembly.shards(),
        consistency: (word(store.consistency.0), word(store.consistency.1)),
    })
}

/// The real registry as a host speaks to it.
pub(crate) fn registry(assembly: &Assembly, env: &Env, metrics: Metrics) -> Result<Arc<dyn Registry>, FleetError> {
    let backend = connect(env, registry_target(assembly)?, metrics)?;
    backend.ports().registry.ok_or(FleetError::NotEmbedded("registry".to_owned(), "consul"))
}

fn registry_target(assembly: &Assembly) -> Result<Target, FleetError> {
    let unusable = || FleetError::NotEmbedded("registry".to_owned(), "consul");
    let registry = assembly.topology.registry.as_ref().ok_or_else(unusable)?;
    let endpoints = if registry.managed {
        vec![assembly.address(&unit_name(&assembly.topology, Component::Registry))?.clone()]
    } else {
        let parsed = registry.endpoints.iter().map(|e| e.parse::<Address>());
        parsed.collect::<Result<Vec<_>, _>>().map_err(|_| unusable())?
    };
    if endpoints.is_empty() {
        return Err(unusable());
    }
    let credentials = match &registry.token {
        Some(name) => {
            let missing = || FleetError::NoSecret { store: "registry".to_owned(), secret: name.clone() };
            let password = assembly.means.secrets.get(name).cloned().ok_or_else(missing)?;
            Some(Credentials { user: "token".to_owned(), password })
        }
        None => None,
    };
    Ok(Target {
        store: "registry".to_owned(),
        engine: Engine::Consul,
        endpoints,
        namespace: registry.datacenter.clone(),
        credentials,
        tls: Tls::Off,
        call_ms_max: None,
        retries: None,
        schema: Schema::default(),
        datasets: Vec::new(),
        shards: 1,
        consistency: ("quorum", "quorum"),
    })
}

fn word(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::One => "one",
        Consistency::Quorum => "quorum",
        Consistency::All => "all",
    }
}

fn datasets(store: &Store) -> Vec<Dataset> {
    let plain = |name: &str| Dataset {
        name: name.to_owned(),
        partitions: 1,
        copies: store.copies,
        copies_min: 1,
        keep_ms: None,
        versioned: false,
        route: None,
    };
    let each = store.datasets.iter().map(|dataset| {
        let plain = plain(&dataset.name);
        let ms = |time: &Option<Duration>| time.map(|t| t.as_millis() as u64);
        match &dataset.shape {
            DatasetShape::Topic { partitions, replicas, min_insync, retain, .. } => Dataset {
                partitions: *partitions,
                copies: *replicas,
                copies_min: *min_insync,
                keep_ms: ms(retain),
                ..plain
            },
            DatasetShape::Index { replicas, route, .. } => {
                Dataset { copies: replicas + 1, route: route.clone(), ..plain }
            }
            DatasetShape::Bucket { versioned, expire } => {
                Dataset { versioned: *versioned, keep_ms: ms(expire), ..plain }
            }
            _ => plain,
        }
    });
    each.collect()
}

/// Looks at an engine for as long as the host runs, so that the host's readiness tells when it is missing.
pub(crate) fn watch(context: &HostContext, backend: Arc<dyn Backend>) {
    let (env, probe) = (context.env.clone(), context.probe.clone());
    let watching = async move {
        let store = backend.target().store.clone();
        loop {
            let found = timeout(LOOK_WITHIN, backend.check()).await.unwrap_or_else(|_| {
                let why = format!("nothing within {} s", LOOK_WITHIN.as_secs());
                Err(FaultKind::Unreachable(why).at(backend.target()))
            });
            probe.set_missing(&store, found.err().map(|fault| fault.to_string()));
            tokio::select! {
                biased;
                () = env.shutdown().triggered() => return,
                () = sleep(LOOK_EVERY) => {}
            }
        }
    };
    context.env.spawn("store watch", watching);
}
