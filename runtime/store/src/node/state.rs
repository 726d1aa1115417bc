//! A node's state.

use std::{collections::BTreeMap, sync::Arc};

use archgen_env::{Env, http::Probe};
use archgen_ports::ServiceKey;
use prometheus_client::metrics::counter::Counter;

use super::{NodeConfig, signature::Signer};
use crate::{committer::Committer, engine::Engine, placement::Held, replication::Replica};

pub(crate) struct State {
    pub(crate) env: Env,
    pub(super) key: ServiceKey,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) held: Held,
    pub(super) committer: Committer,
    pub(super) replica: Option<Arc<Replica>>,
    pub(super) topics: BTreeMap<String, u16>,
    pub(super) signer: Signer,
    pub(super) public_url: String,
    pub(super) calls: Counter,
}

impl State {
    pub(super) fn new(
        env: &Env,
        config: &NodeConfig,
        engine: Arc<dyn Engine>,
        replica: Option<Arc<Replica>>,
        held: Held,
        probe: &Probe,
    ) -> Self {
        // Where a group keeps copies, it is the group that has a place.
        let tracked = replica.is_none().then(|| held.clone());
        Self {
            env: env.clone(),
            key: config.key.clone(),
            committer: Committer::start(env, engine.clone(), replica.clone(), tracked),
            replica,
            engine,
            held,
            topics: config.topics.clone(),
            signer: Signer::new(&config.key),
            public_url: config.public_url.clone(),
            calls: probe.counter("store_calls", "Calls of the store protocol"),
        }
    }
}
