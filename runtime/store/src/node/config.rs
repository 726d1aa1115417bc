//! What a node is told, and its run.

use std::{collections::BTreeMap, io, sync::Arc};

use archgen_env::{
    Env,
    http::{Probe, ServerLimits, serve},
    net::Address,
};
use archgen_ports::ServiceKey;

use super::{api, marker::Marker, objects, state::State};
use crate::{
    committer::DecisionError,
    engine::{self, Engine, EngineError, EngineKind, MemoryEngine},
    operations::cache,
    placement::{Held, Placement},
    replication::{self, Membership, Replica},
};

/// Configuration of a node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Name of the store that it is a node of.
    pub store: String,
    /// Where it listens.
    pub address: Address,
    /// Base URL at which clients reach its objects, without a final slash.
    pub public_url: String,
    /// The fleet's key.
    pub key: ServiceKey,
    /// Engine.
    pub engine: EngineKind,
    /// Nodes of the store by whose number keys were first laid out: all of them, or the founders where units move since.
    pub nodes: usize,
    /// Topic to its number of partitions.
    pub topics: BTreeMap<String, u16>,
    /// The group in which it keeps copies; `None` where its copy is the only one.
    pub membership: Option<Membership>,
    /// Its place among the store's nodes.
    pub place: Place,
}

/// A node's place in its store.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its ordinal.
    pub ordinal: u32,
    /// The nodes with which the store began, ordinal order. A node beyond them has nothing until something is moved to it.
    pub founders: Vec<Address>,
    /// Where nodes are today, ordinal order: they may have been elsewhere when a placement was written down.
    pub addresses: Vec<Address>,
    /// What is placed, and moved, as a whole: ownership shards of channels in a store of messages, slots elsewhere.
    pub units: u16,
}

impl Place {
    /// The place of a store's only node.
    pub fn alone(address: &Address, units: u16) -> Self {
        Self { ordinal: 0, founders: vec![address.clone()], addresses: Vec::new(), units }
    }
}

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data folder is another store's, another engine's, or lacks its marker.
    #[error(
        "`{file}`: {reason}; this is not a data folder of store `{store}`: move it away, or start where it belongs"
    )]
    Foreign {
        /// The file.
        file: String,
        /// What was found.
        reason: String,
        /// The store that was expected.
        store: String,
    },
    /// The store had another number of nodes when its data were written.
    #[error(
        "store `{store}` was made with {was} nodes and is begun with {now}: keys would be looked for where they are not; begin it with \
         {was} nodes and move from there, or begin anew in another folder (`--data`)"
    )]
    Resized {
        /// The store.
        store: String,
        /// Nodes then.
        was: usize,
        /// Nodes now.
        now: usize,
    },
    /// The data cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The disk failed.
    #[error("`{file}`")]
    Disk {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {0}")]
    Listen(Address, #[source] io::Error),
}

/// Runs a node until the order to stop.
///
/// # Errors
/// See [`NodeError`]: a node whose data is damaged refuses to start and names the file.
pub async fn run(env: Env, config: NodeConfig) -> Result<(), NodeError> {
    let (its_env, its_config) = (env.clone(), config.clone());
    let opened = env.compute(move || {
        let marker = Marker::check(&its_env, &its_config)?;
        objects::sweep(&its_env)?;
        if its_config.membership.as_ref().is_some_and(|m| m.policy.volatile) {
            return Ok::<Arc<dyn Engine>, NodeError>(Arc::new(MemoryEngine::default()));
        }
        let engine = engine::open(&its_env, its_config.engine)?;
        marker.seal(&its_env, &its_config, &*engine)?;
        if its_config.membership.is_none() {
            cache::forget(&*engine)?;
        }
        Ok(engine)
    });
    let engine = opened.await?;
    let probe = Probe::default();
    let replica = match &config.membership {
        Some(membership) => Some(Replica::start(&env, engine.clone(), membership.clone(), &config.key)?),
        None => None,
    };
    let founded = Placement::founded(config.place.founders.clone(), config.place.units);
    let held = Held::load(&*engine, &config.place, founded).map_err(|error| match error {
        DecisionError::Engine(error) => NodeError::Engine(error),
        other => {
            NodeError::Foreign { file: "engine".to_owned(), reason: other.to_string(), store: config.store.clone() }
        }
    })?;
    let state = Arc::new(State::new(&env, &config, engine, replica.clone(), held, &probe));
    let mut routes = api::routes(state.clone()).merge(objects::routes(state)).merge(probe.routes());
    if let Some(replica) = replica {
        routes = routes.merge(replication::routes(replica));
    }
    probe.set_ready(true);
    let limits = ServerLimits::default();
    serve(&env, &config.address, routes, limits).await.map_err(|e| NodeError::Listen(config.address, e))
}
