//! How many nodes an embedded store began with, and how many may hold data: a spec with another number of nodes moves data, it does
//! not lose sight of them.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, bail};
use archgen_env::{os, task::Shutdown};
use archgen_fleet::nodes_at_first;
use archgen_spec::topology::{DatasetShape, ServiceKind, Store, Topology};
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

/// Of each embedded store.
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
    for store in topology.stores.iter().filter(|s| moves(s)) {
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

/// Whether a running fleet can become this one: nothing but nodes of stores that move their data, and instances of the messaging
/// service, which hand over what they own, may differ.
///
/// # Errors
/// Something else differs, or nothing does.
pub fn movable(before: &Topology, after: &Topology) -> anyhow::Result<()> {
    if serde_json::to_value(before)? == serde_json::to_value(after)? {
        bail!("it runs this very spec");
    }
    let mut like = after.clone();
    for store in like.stores.iter_mut().filter(|s| moves(s)) {
        if let Some(was) = before.stores.iter().find(|s| s.name == store.name) {
            store.nodes = was.nodes;
            store.weights.clone_from(&was.weights);
            as_before(store, was);
        }
    }
    for service in like.services.iter_mut().filter(|s| s.kind == ServiceKind::Messaging) {
        if let Some(was) = before.services.iter().find(|s| s.name == service.name && s.replicas != service.replicas) {
            if before.registry.is_none() {
                bail!("without a registry the gateway does not hear of other instances of `{}`", service.name);
            }
            service.replicas = was.replicas;
        }
    }
    if serde_json::to_value(before)? != serde_json::to_value(&like)? {
        bail!(
            "the spec differs in more than `nodes:` of embedded stores and `replicas:` of messaging, which is all that changes while a \
             fleet runs"
        );
    }
    Ok(())
}

/// Copies that are asked for, but not kept where a store is embedded: they follow from the number of nodes where nothing is said.
fn as_before(store: &mut Store, was: &Store) {
    store.copies_asked = was.copies_asked;
    for (dataset, had) in store.datasets.iter_mut().zip(&was.datasets) {
        if let DatasetShape::Topic { replicas, min_insync, .. } = &mut dataset.shape
            && let DatasetShape::Topic { replicas: asked, min_insync: least, .. } = &had.shape
        {
            (*replicas, *min_insync) = (*asked, *least);
        }
    }
}

/// Whether a store moves its data between its nodes.
fn moves(store: &Store) -> bool {
    store.embedded
}

/// Bytes that moves need on this disk until the copies that were left are deleted: what the store holds now, at worst once more.
///
/// # Errors
/// There is less room than that.
pub fn room_for_moves(state: &StateFolder, nodes: &Nodes) -> anyhow::Result<()> {
    for (store, known) in nodes.iter().filter(|(_, known)| known.held.max(known.wanted) > known.wanted.min(known.held))
    {
        let held: u64 = (1..=known.held).map(|number| bytes_in(&state.data(&format!("{store}-{number}")))).sum();
        let free = nix::sys::statvfs::statvfs(state.root()).context("cannot see how much room the disk has")?;
        let free = free.blocks_available() * free.fragment_size();
        if is_beyond(held, free) {
            bail!("{store}: moving may need {held} bytes more for a while, and the disk has {free} bytes free");
        }
    }
    Ok(())
}

/// Whether a copy of what is held does not fit, with a tenth of it left for what is written meanwhile.
fn is_beyond(held: u64, free: u64) -> bool {
    held.saturating_add(held / 10) > free
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => bytes_in(&entry.path()),
        Ok(_) => entry.metadata().map_or(0, |m| m.len()),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(change: impl Fn(&str) -> String) -> Topology {
        let text = change(include_str!("../../../examples/minimal/topology.yaml"));
        let nothing = |_: &str| Err(archgen_spec::ReadError::Missing);
        archgen_spec::load("minimal", text, None, &nothing, &|_| None).topology.unwrap()
    }

    #[test]
    fn a_running_fleet_changes_in_numbers_only() {
        let now = topology(str::to_owned);
        let nodes = topology(|t| t.replace("  chat:\n", "  chat:\n    nodes: 5\n"));
        let replicas = topology(|t| t.replace("messaging: { port: 9210,", "messaging: { replicas: 4, port: 9210,"));
        assert!(movable(&now, &nodes).is_ok());
        assert!(movable(&now, &replicas).is_ok());
        assert!(movable(&now, &now).unwrap_err().to_string().contains("this very spec"));
        let cache = "cache: { kind: redis, embedded: true }";
        let more = topology(|t| t.replace(cache, "cache: { kind: redis, embedded: true, nodes: 2 }"));
        assert!(movable(&now, &more).is_ok());
        let events = "events: { kind: kafka,";
        let brokers = topology(|t| t.replace(events, "events: { nodes: 3, kind: kafka,"));
        assert!(movable(&now, &brokers).is_ok(), "how many copies its topics would have follows from that");
        let other = topology(|t| t.replace(cache, "cache: { kind: redis, embedded: true, timeout: 2s }"));
        assert!(movable(&now, &other).unwrap_err().to_string().contains("differs in more"));
    }

    #[test]
    fn a_copy_that_does_not_fit_is_refused() {
        assert!(!is_beyond(100, 110));
        assert!(is_beyond(100, 109));
        assert!(is_beyond(u64::MAX, u64::MAX - 1));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), [0; 10]).unwrap();
        fs::write(folder.path().join("c"), [0; 5]).unwrap();
        assert_eq!(bytes_in(folder.path()), 15);
    }
}
