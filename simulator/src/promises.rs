//! What the stores of a spec promise of their copies, and what they do not.

use std::ops::Range;

use archgen_spec::topology::{Component, Instance, StoreId, StoreKind, Topology};
use archgen_store::replication::{Policy, groups};

/// Nodes that keep copies of the same data.
pub(crate) struct Group {
    /// Its nodes, the first leads at the start.
    pub(crate) members: Vec<Instance>,
    /// Machines that may be lost, disks and all, without losing what was acknowledged.
    pub(crate) losses_borne: u32,
}

/// The groups of every store that is spread over several machines. Objects are a provider's: their promise is not the spec's.
pub(crate) fn store_groups(topology: &Topology) -> Vec<Group> {
    let mut all = Vec::new();
    for (index, store) in topology.stores.iter().enumerate() {
        if store.nodes < 2 || store.kind == StoreKind::S3 {
            continue;
        }
        let policy = Policy::of(store);
        let nodes = topology.component_instances(Component::Store(StoreId(index)));
        let group = |range: Range<usize>| Group {
            members: nodes[range].to_vec(),
            losses_borne: policy.map_or(0, |p| p.losses_borne()),
        };
        all.extend(groups(nodes.len(), policy.map_or(1, |p| p.copies as usize)).into_iter().map(group));
    }
    all
}

/// What acknowledged data may not survive because of what the spec says, in words.
pub(crate) fn not_promised(topology: &Topology) -> Vec<String> {
    let mut all = Vec::new();
    for store in topology.stores.iter().filter(|s| s.nodes > 1 && !matches!(s.kind, StoreKind::S3 | StoreKind::Redis)) {
        let name = &store.name;
        match Policy::of(store) {
            None => all.push(format!("`{name}` keeps one copy: what a machine holds is lost with it")),
            Some(policy) if policy.losses_borne() == 0 => all.push(format!(
                "`{name}` acknowledges a write once 1 of {} copies has it: what only one machine has is lost with it",
                policy.copies
            )),
            Some(_) => {}
        }
    }
    all
}
