//! The state of a realtime host.

use std::sync::{Mutex, MutexGuard, PoisonError};

use archgen_env::{Env, http::Client};
use archgen_ports::ServiceKey;
use axum::extract::FromRef;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::{Config, access::Access, hub::Hub, reads::Reads, sends::Sends};
use crate::host::HostContext;

pub(super) struct State {
    pub(super) env: Env,
    pub(super) config: Config,
    pub(super) key: ServiceKey,
    pub(super) client: Client,
    hub: Mutex<Hub>,
    pub(super) reads: Reads,
    pub(super) access: Access,
    pub(super) sends: Sends,
    pub(super) connections: Gauge,
    pub(super) repairs: Counter,
    pub(super) slow_consumers: Counter,
}

impl State {
    pub(super) fn new(context: &HostContext, config: Config) -> Self {
        Self {
            env: context.env.clone(),
            config,
            key: context.key.clone(),
            client: context.client.clone(),
            hub: Mutex::default(),
            reads: Reads::default(),
            access: Access::default(),
            sends: Sends::default(),
            connections: context.probe.gauge("realtime_connections", "Connected sockets", None),
            repairs: context.probe.counter("realtime_repairs", "Fetches of entries that no push had brought"),
            slow_consumers: context
                .probe
                .counter("realtime_slow_consumers", "Sockets that were let go because they did not keep up"),
        }
    }

    pub(super) fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state as routes share it.
#[derive(Clone)]
pub(super) struct Shared(pub(super) std::sync::Arc<State>);

impl FromRef<Shared> for ServiceKey {
    fn from_ref(Shared(state): &Shared) -> Self {
        state.key.clone()
    }
}
