//! Configuration and start of the gateway host.

use std::sync::Arc;

use archgen_env::http::ServerLimits;
use archgen_ports::cache::Cache;
use archgen_spec::topology;
use axum::{Router, routing::post};

use super::{
    api, discovery,
    state::{Shared, State},
};
use crate::{
    host::{HostContext, HostError, Peer},
    identity::{Revocations, TokenVerifier},
};

/// Where gateways are told of ended sessions.
pub const REVOKED: &str = "/internal/revoked";

/// A service behind the gateway.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Service name, as registered.
    pub name: String,
    /// Instances by the spec, used until the registry has named some.
    pub peers: Vec<Peer>,
    /// Whether it is one of the fleet's own services and is shown the fleet's key with the caller's identity. A program of the
    /// user's own (`kind: process`) gets the identity alone.
    pub fleet: bool,
}

/// What a gateway is told.
#[derive(Clone)]
pub struct Config {
    /// The system's name.
    pub name: String,
    /// Routes, limits and balance from the spec.
    pub gateway: topology::Gateway,
    /// Every service of the topology, in its order: [`topology::ServiceId`] indexes this.
    pub services: Vec<Upstream>,
    /// Holds answers of routes with a micro-cache; without one nothing is cached.
    pub cache: Option<Arc<dyn Cache>>,
    /// Checks access tokens; without one, authenticated routes answer 503.
    pub verifier: Option<TokenVerifier>,
    /// Sessions that have ended.
    pub revocations: Revocations,
    /// Base URLs of the realtime hosts, for the page.
    pub realtime: Vec<String>,
    /// Bounds of the server.
    pub server: ServerLimits,
}

/// Serves until the order to stop.
///
/// # Errors
/// [`HostError::Start`] where a route names a service that is not in `services`, or TLS is asked for, which would otherwise be
/// plain HTTP in silence; [`HostError::Listen`].
pub async fn run(context: HostContext, config: Config) -> Result<(), HostError> {
    if config.gateway.tls.is_some() {
        return Err(HostError::Start(
            "the embedded gateway serves no TLS: unset `gateway.tls` in this environment".to_owned(),
        ));
    }
    if let Some(route) = config.gateway.routes.iter().find(|r| r.to.0 >= config.services.len()) {
        return Err(HostError::Start(format!("route {} leads to no service", route.prefix)));
    }
    let server = config.server;
    let watched = config.gateway.discovery.then(|| context.registry.clone()).flatten();
    let state = Arc::new(State::new(&context, config));
    if let Some(registry) = watched {
        for pool in state.routed_pools() {
            context.env.spawn("discovery", discovery::watch(context.env.clone(), registry.clone(), pool));
        }
    }
    let told = Router::new().route(REVOKED, post(api::revoked)).with_state(Shared(state.clone()));
    let routes = Router::new().fallback(api::handle).with_state(state).merge(told);
    context.serve(routes, server).await
}
