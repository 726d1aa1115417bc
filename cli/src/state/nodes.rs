//! How many nodes an embedded store of messages began with, and how many may hold data: a spec with another number of nodes moves
//! data, it does not lose sight of them.

use std::collections::BTreeMap;

use anyhow::Context;
use archgen_env::{os, task::Shutdown};
use archgen_fleet::nodes_at_first;
use archgen_spec::topology::{StoreKind, Topology};
use serde::{Deserialize, Serialize};

use super::{StateFolder, files::read_if_there, write_private};

/// Nodes of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreNodes {
    /// Nodes with which it began.
    pub founders: u32,
    /// Nodes that may hold data, counted from the first.
    pub held: u32,
    /// Nodes that the spec wants.
    pub wanted: u32,
}

/// Of each embedded store of messages.
pub type Nodes = BTreeMap<String, StoreNodes>;

/// What is on record, with what this topology wants. Stores that are new begin with that.
///
/// # Errors
/// The record is damaged.
pub fn nodes(state: &StateFolder, topology: &Topology) -> anyhow::Result<Nodes> {
    let path = state.nodes();
    let mut all: Nodes = match read_if_there(&path)? {
        None => Nodes::new(),
        Some(text) => serde_json::from_str(&text).with_context(|| format!("`{}` is damaged", path.display()))?,
    };
    for store in topology.stores.iter().filter(|s| s.embedded && s.kind == StoreKind::Cassandra) {
        let known = all.entry(store.name.clone()).or_insert_with(|| {
            // A folder that is older than this record.
            let first = format!("{}-1", store.name);
            let founders = nodes_at_first(&os::env(&first, &state.data(&first), Shutdown::default()));
            let founders = founders.unwrap_or(store.nodes);
            StoreNodes { founders, held: founders, wanted: store.nodes }
        });
        known.wanted = store.nodes;
        known.held = known.held.max(store.nodes);
    }
    Ok(all)
}

/// Writes the record.
///
/// # Errors
/// The file system's.
pub fn save_nodes(state: &StateFolder, nodes: &Nodes) -> anyhow::Result<()> {
    write_private(&state.nodes(), &serde_json::to_string_pretty(nodes)?)
}

/// The topology with every node that may hold data.
pub fn with_held(mut topology: Topology, nodes: &Nodes) -> Topology {
    for store in &mut topology.stores {
        if let Some(known) = nodes.get(&store.name).filter(|_| store.embedded) {
            store.nodes = store.nodes.max(known.held);
            store.weights.resize(store.nodes as usize, 1);
        }
    }
    topology
}
