//! What all requests of a gateway share.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use archgen_env::{
    Env,
    http::{Client, Limits as ClientLimits},
};
use archgen_ports::ServiceKey;
use axum::extract::FromRef;

use super::{
    auth::Authenticator,
    balance::Pool,
    cache::MicroCache,
    config::Config,
    cors::Cors,
    limit::{Buckets, InFlight},
    metrics::Counters,
    page::Page,
    retry::RetryBudget,
    routing::Routes,
};
use crate::host::HostContext;

/// Idle connections kept per instance.
const IDLE_PER_INSTANCE_MAX: usize = 64;
/// Wait for a connection to an instance, milliseconds: hosts of one fleet are near.
const CONNECT_MS_MAX: u64 = 1_000;

/// A service behind the gateway, with what is known of its instances.
pub(super) struct Service {
    pub pool: Arc<Pool>,
    pub fleet: bool,
}

/// The state as internal routes share it.
#[derive(Clone)]
pub(super) struct Shared(pub Arc<State>);

impl FromRef<Shared> for ServiceKey {
    fn from_ref(Shared(state): &Shared) -> Self {
        state.key.clone()
    }
}

/// State of the gateway.
pub(super) struct State {
    pub env: Env,
    pub client: Client,
    pub key: ServiceKey,
    pub counters: Counters,
    pub page: Page,
    pub routes: Routes,
    pub services: Vec<Service>,
    pub auth: Authenticator,
    pub cors: Option<Cors>,
    pub cache: Option<MicroCache>,
    pub budget: RetryBudget,
    /// Per client address.
    pub per_client: Option<Buckets<IpAddr>>,
    /// Requests under way per client address.
    pub in_flight: Option<InFlight>,
    /// Per session.
    pub per_token: Option<Buckets<String>>,
    /// Per route (by its place in `routes`) and client address.
    pub per_route: Vec<Option<Buckets<IpAddr>>>,
}

impl State {
    pub(super) fn new(context: &HostContext, config: Config) -> Self {
        let limits = ClientLimits {
            connect_ms_max: CONNECT_MS_MAX,
            idle_per_host_max: IDLE_PER_INSTANCE_MAX,
            ..ClientLimits::default()
        };
        let routes = Routes::new(config.gateway.routes, config.gateway.auth.as_ref().map(|a| a.by));
        let service = |s: super::Upstream| Service { pool: Arc::new(Pool::new(&s.name, s.peers)), fleet: s.fleet };
        Self {
            env: context.env.clone(),
            client: Client::new(&context.env, limits),
            key: context.key.clone(),
            counters: Counters::new(&context.probe),
            page: Page::new(&config.name, &config.realtime),
            per_client: config.gateway.limit_per_ip.map(Buckets::new),
            in_flight: config.gateway.connections_per_ip_max.map(InFlight::new),
            per_token: config.gateway.limit_per_token.map(Buckets::new),
            per_route: routes.all().iter().map(|r| r.limit.map(Buckets::new)).collect(),
            routes,
            services: config.services.into_iter().map(service).collect(),
            auth: Authenticator::new(config.verifier, config.revocations, config.gateway.auth.as_ref()),
            cors: config.gateway.cors.as_ref().map(Cors::new),
            cache: config.cache.map(|cache| MicroCache::new(context.env.clone(), cache)),
            budget: RetryBudget::default(),
        }
    }

    /// Pools of the services that some route leads to, each once.
    pub(super) fn routed_pools(&self) -> Vec<Arc<Pool>> {
        let routed: BTreeSet<usize> = self.routes.all().iter().map(|r| r.to.0).collect();
        routed.into_iter().map(|i| self.services[i].pool.clone()).collect()
    }
}
