//! A node's state.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use archgen_env::{Env, http::Probe};
use archgen_ports::ServiceKey;
use prometheus_client::metrics::counter::Counter;

use super::{NodeConfig, signature::Signer};
use crate::{committer::Committer, engine::Engine, operations::cache::Cached, replication::Replica};

pub(super) struct State {
    pub(super) env: Env,
    pub(super) key: ServiceKey,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) committer: Committer,
    pub(super) replica: Option<Arc<Replica>>,
    pub(super) cache: Mutex<Cached>,
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
        probe: &Probe,
    ) -> Self {
        Self {
            env: env.clone(),
            key: config.key.clone(),
            committer: Committer::start(env, engine.clone(), replica.clone()),
            replica,
            engine,
            cache: Mutex::default(),
            topics: config.topics.clone(),
            signer: Signer::new(&config.key),
            public_url: config.public_url.clone(),
            calls: probe.counter("store_calls", "Calls of the store protocol"),
        }
    }
}
