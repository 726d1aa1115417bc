//! What is left of a store when a zone or a node is gone: the proof that a placement keeps its promise, or the place where
//! it does not.

use archgen_spec::topology::{Consistency, DatasetShape, Store, StoreKind};
use serde::Serialize;

use super::{Node, StorePlan};

/// A store without some of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What is gone: `zone eu-b`, `node chat-3`.
    pub lost: String,
    /// Nodes that are gone.
    pub nodes: u32,
    /// Copies of a slot that must be reachable for a write to be acknowledged.
    pub copies_needed: u32,
    /// Fewest copies that any slot has left.
    pub copies_left_min: u32,
    /// Slots that have fewer than that: their writes are refused.
    pub slots_refusing: u32,
    /// Slots that no copy is left of.
    pub slots_gone: u32,
    /// Slots led by the busiest node that is left, over the mean before the loss and per unit of weight, in thousandths.
    pub busiest_leader_permille: u64,
}

/// Copies that must acknowledge a write of this store: what its engine promises, by its own words for it.
pub fn copies_needed(store: &Store, copies: u32) -> u32 {
    let majority = copies / 2 + 1;
    let needed = match store.kind {
        StoreKind::Cassandra => match store.consistency.0 {
            Consistency::One => 1,
            Consistency::Quorum => majority,
            Consistency::All => copies,
        },
        StoreKind::Mongodb => majority,
        StoreKind::Kafka => {
            let insync = store.datasets.iter().filter_map(|d| match d.shape {
                DatasetShape::Topic { min_insync, .. } => Some(min_insync),
                _ => None,
            });
            insync.max().unwrap_or(1)
        }
        // A standby, a replica or another object server takes over with any one copy.
        StoreKind::Postgres | StoreKind::Redis | StoreKind::Elasticsearch | StoreKind::S3 => 1,
    };
    needed.clamp(1, copies.max(1))
}

/// A store without the nodes that `gone` names.
pub fn lose(store: &StorePlan, lost: String, gone: impl Fn(&Node) -> bool) -> Loss {
    let away: Vec<bool> = store.nodes.iter().map(gone).collect();
    let mut leads = vec![0u64; store.nodes.len()];
    let (mut slots_refusing, mut slots_gone, mut copies_left_min) = (0, 0, u32::MAX);
    for holders in &store.slots.placement {
        let mut left = holders.iter().map(|n| *n as usize).filter(|n| !away[*n]);
        let leader = left.next();
        let count = leader.map_or(0, |_| 1 + left.count() as u32);
        copies_left_min = copies_left_min.min(count);
        slots_refusing += u32::from(count < store.copies_needed);
        slots_gone += u32::from(count == 0);
        if let Some(node) = leader {
            leads[node] += 1;
        }
    }
    let weight: u64 = store.nodes.iter().map(|n| u64::from(n.weight)).sum();
    let slots = store.slots.placement.len().max(1) as u64;
    let busy = store.nodes.iter().zip(&leads).filter(|(n, _)| n.weight > 0);
    let busiest = busy.map(|(n, led)| led * weight * 1_000 / (u64::from(n.weight) * slots)).max();
    Loss {
        lost,
        nodes: away.iter().filter(|a| **a).count() as u32,
        copies_needed: store.copies_needed,
        copies_left_min: if store.slots.placement.is_empty() { 0 } else { copies_left_min },
        slots_refusing,
        slots_gone,
        busiest_leader_permille: busiest.unwrap_or(0),
    }
}

/// The loss of each zone in turn, in the order of their names.
pub(super) fn each_zone(store: &StorePlan) -> Vec<Loss> {
    let mut zones: Vec<&str> = store.nodes.iter().map(|n| n.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    zones.into_iter().map(|zone| lose(store, format!("zone {zone}"), |n| n.zone == zone)).collect()
}
