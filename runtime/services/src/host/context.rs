//! [`HostContext`]: a host's identity and the run of its server from registration to drain.

use std::{io, sync::Arc, time::Duration};

use archgen_env::{
    Env, deadline,
    http::{Client, Limits, Probe, Problem, ServerLimits, serve},
    net::Address,
    sabotage::{Bug, is_planted},
};
use archgen_ports::{
    ServiceKey,
    registry::{Instance, Registry},
};
use axum::{
    Json, Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::{Directory, Instances};

/// Time without a sign of life after which the registry drops an instance, milliseconds.
const REGISTRATION_TTL_MS: u64 = 6_000;
/// Time between signs of life, milliseconds.
const HEARTBEAT_MS: u64 = 2_000;

/// Why a host ended.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Its address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// Something it needs at its start refused for good.
    #[error("cannot start: {0}")]
    Start(String),
}

/// A host's identity and means. Cloning is cheap.
#[derive(Clone)]
pub struct HostContext {
    /// The world.
    pub env: Env,
    /// Component name: `messaging`, `gateway`, …
    pub component: String,
    /// 0-based ordinal among the component's instances.
    pub ordinal: u32,
    /// Number of the component's instances.
    pub replicas: u32,
    /// Failure domain.
    pub zone: String,
    /// Where it listens.
    pub address: Address,
    /// The fleet's key.
    pub key: ServiceKey,
    /// The registry, where the topology has one.
    pub registry: Option<Arc<dyn Registry>>,
    /// Health, readiness, metrics.
    pub probe: Probe,
    /// HTTP client for calls to peers.
    pub client: Client,
    /// Instances of other services, which may change.
    pub directory: Directory,
    /// Within how long this host answers, where the spec says so: what it has not answered by then it gives up, with all that it has
    /// asked others for.
    pub timeout: Option<Duration>,
}

impl HostContext {
    /// Where every service host takes [`Instances`], under the fleet's key.
    pub const INSTANCES_PATH: &'static str = "/internal/instances";

    /// A context; `client` and `probe` are made here.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a distinct fact about one host, named at its single call site"
    )]
    pub fn new(
        env: Env,
        component: &str,
        ordinal: u32,
        replicas: u32,
        zone: &str,
        address: Address,
        key: ServiceKey,
        registry: Option<Arc<dyn Registry>>,
    ) -> Self {
        let client = Client::new(&env, Limits::default());
        Self {
            env,
            component: component.to_owned(),
            ordinal,
            replicas,
            zone: zone.to_owned(),
            address,
            key,
            registry,
            probe: Probe::default(),
            client,
            directory: Directory::default(),
            timeout: None,
        }
    }

    /// Serves `routes` (with the probes added) until the order to stop: says ready, stays registered, drains, leaves.
    /// Routes must already carry their state.
    ///
    /// # Errors
    /// [`HostError::Listen`].
    pub async fn serve(&self, routes: Router, limits: ServerLimits) -> Result<(), HostError> {
        let routes = match self.timeout {
            Some(timeout) => routes.layer(from_fn(move |request, next| answer_within(timeout, request, next))),
            None => routes,
        };
        let routes = routes.merge(self.probe.routes()).merge(self.told());
        self.probe.set_ready(true);
        let registration = self.registry.clone().map(|registry| {
            let context = self.clone();
            self.env.spawn("registration", async move { context.stay_registered(&*registry).await })
        });
        let served = serve(&self.env, &self.address, routes, limits).await;
        self.probe.set_ready(false);
        if let Some(registration) = registration {
            registration.abort();
        }
        served.map_err(|source| HostError::Listen { address: self.address.clone(), source })
    }

    /// Where a host is told what became of another service's instances.
    fn told(&self) -> Router {
        let (key, directory) = (self.key.clone(), self.directory.clone());
        let tell = move |headers: HeaderMap, Json(now): Json<Instances>| {
            let presented = headers.get(ServiceKey::HEADER).map(|v| v.as_bytes()).unwrap_or_default();
            let is_fleet = key.matches(presented);
            if is_fleet {
                directory.tell(now);
            }
            async move {
                let refused = || Problem::new(StatusCode::UNAUTHORIZED, "fleet_only", "this is for the fleet itself");
                if is_fleet { Ok(StatusCode::NO_CONTENT) } else { Err(refused()) }
            }
        };
        Router::new().route(Self::INSTANCES_PATH, post(tell))
    }

    async fn stay_registered(&self, registry: &dyn Registry) {
        let instance = Instance {
            id: self.env.host().to_owned(),
            service: self.component.clone(),
            address: self.address.clone(),
            zone: self.zone.clone(),
        };
        let mut registered = false;
        loop {
            let outcome = if registered {
                registry.pass(&instance.id).await
            } else {
                registry.register(&instance, REGISTRATION_TTL_MS).await
            };
            match outcome {
                Ok(()) => registered = true,
                Err(error) => {
                    tracing::warn!(%error, "registration failed; trying again");
                    registered = registered && is_planted(Bug::StayForgotten);
                }
            }
            let wait = Duration::from_millis(if registered { HEARTBEAT_MS } else { HEARTBEAT_MS / 4 });
            tokio::select! {
                biased;
                () = self.env.shutdown().triggered() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        if registered && let Err(error) = registry.deregister(&instance.id).await {
            tracing::debug!(%error, "deregistration failed; the registry will time the instance out");
        }
    }
}

async fn answer_within(timeout: Duration, request: Request, next: Next) -> Response {
    let late = || Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "the service did not answer in time");
    let answered = deadline::scope(Instant::now() + timeout, next.run(request)).await;
    answered.unwrap_or_else(|_| late().into_response())
}
