//! The plan of a topology: one slot map and its figures per store.

use std::collections::BTreeMap;

use archgen_spec::capacity;
use archgen_spec::sharding::SlotMap;
use archgen_spec::topology::{Store, StoreId, Topology};
use indexmap::IndexMap;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::parallel::{each, mapped};

use super::{Capacity, Cost, Heat, Loss, Node, Reads, copies_needed, cost, heat, loss, plan_some_slots, reads};

/// The plan of a system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Plan of each store, in declared order.
    pub stores: IndexMap<String, StorePlan>,
    /// What the system costs, where prices are declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// The plan of one store.
#[derive(Debug, Clone, PartialEq)]
pub struct StorePlan {
    /// Kind as in the spec.
    pub kind: &'static str,
    /// Its nodes; slot maps refer to them by index.
    pub nodes: Vec<Node>,
    /// Where each slot lives, primary first.
    pub slots: SlotMap,
    /// Copies of a slot that a write must reach to be acknowledged.
    pub copies_needed: u32,
    /// How even that is.
    pub balance: Balance,
    /// What each lost zone leaves.
    pub zone_losses: Vec<Loss>,
    /// What the declared skew makes of it, where the store holds messages.
    pub heat: Option<Heat>,
    /// What its copies take off the leaders, where there are several.
    pub reads: Option<Reads>,
    /// What the declared load makes of it.
    pub capacity: Capacity,
}

/// How evenly slots lie on nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Balance {
    /// Copies on each node, in node order.
    pub copies: Vec<u32>,
    /// Slots that each node leads.
    pub primaries: Vec<u32>,
    /// Largest load over mean load, per unit of weight, in thousandths: 1000 is perfect.
    pub max_over_mean_permille: u64,
    /// Slots two of whose copies share a zone although there are zones enough.
    pub zone_violations: u32,
}

impl Balance {
    /// Measures a map.
    pub fn measure(map: &SlotMap, nodes: &[Node]) -> Self {
        let (mut copies, mut primaries) = (vec![0u32; nodes.len()], vec![0u32; nodes.len()]);
        let mut zones: Vec<&str> = nodes.iter().map(|n| n.zone.as_str()).collect();
        zones.sort_unstable();
        zones.dedup();
        let zone: Vec<usize> = nodes.iter().map(|n| zones.binary_search(&n.zone.as_str()).unwrap_or(0)).collect();
        let mut zone_violations = 0;
        let mut seen = Vec::new();
        for holders in &map.placement {
            for (rank, node) in holders.iter().enumerate() {
                copies[*node as usize] += 1;
                primaries[*node as usize] += u32::from(rank == 0);
            }
            seen.clear();
            seen.extend(holders.iter().map(|n| zone[*n as usize]));
            seen.sort_unstable();
            seen.dedup();
            zone_violations += u32::from(seen.len() < holders.len().min(zones.len()));
        }
        let weight: u64 = nodes.iter().map(|n| u64::from(n.weight)).sum();
        let total: u64 = copies.iter().map(|c| u64::from(*c)).sum();
        let loads = nodes.iter().zip(&copies).filter(|(n, _)| n.weight > 0);
        let ratio = |n: &Node, c: u32| u64::from(c) * weight * 1_000 / (u64::from(n.weight) * total.max(1));
        let max_over_mean_permille = loads.map(|(n, c)| ratio(n, *c)).max().unwrap_or(0);
        Self { copies, primaries, max_over_mean_permille, zone_violations }
    }
}

impl Serialize for StorePlan {
    /// `{"kind","nodes","slots":[[node index, …], …],"copies_needed","balance","zone_losses","heat","reads","capacity"}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(9))?;
        map.serialize_entry("kind", self.kind)?;
        map.serialize_entry("nodes", &self.nodes)?;
        map.serialize_entry("slots", &self.slots.placement)?;
        map.serialize_entry("copies_needed", &self.copies_needed)?;
        map.serialize_entry("balance", &self.balance)?;
        map.serialize_entry("zone_losses", &self.zone_losses)?;
        map.serialize_entry("heat", &self.heat)?;
        map.serialize_entry("reads", &self.reads)?;
        map.serialize_entry("capacity", &self.capacity)?;
        map.end()
    }
}

/// Plans every store of a topology.
pub fn plan(topology: &Topology) -> Plan {
    let ids: Vec<usize> = (0..topology.stores.len()).collect();
    let placements = placements(topology);
    let stores = mapped(&ids, |id| {
        let (id, store) = (*id, &topology.stores[*id]);
        let nodes = nodes_of(topology, StoreId(id));
        let slots = placements[&outline(&nodes, store)].clone();
        let capacity = capacity::capacity(store, &topology.load);
        let hot = !capacity.datasets.is_empty();
        let heat = if hot { heat::heat(&slots, &nodes, store.kind, &topology.load.messages) } else { None };
        let mut plan = StorePlan {
            kind: store.kind.name(),
            balance: Balance::measure(&slots, &nodes),
            copies_needed: copies_needed(store, store.copies),
            zone_losses: Vec::new(),
            nodes,
            slots,
            heat,
            reads: reads::reads(store),
            capacity,
        };
        plan.zone_losses = loss::each_zone(&plan);
        (store.name.clone(), plan)
    });
    Plan { stores: stores.into_iter().collect(), cost: cost(topology) }
}

/// What a placement depends on: zone and weight of each node, copies, slots.
type Outline = (Vec<(String, u32)>, u32, u16);

fn outline(nodes: &[Node], store: &Store) -> Outline {
    (nodes.iter().map(|n| (n.zone.clone(), n.weight)).collect(), store.copies, store.slots)
}

/// Where slots live, made once for all stores that are alike.
fn placements(topology: &Topology) -> BTreeMap<Outline, SlotMap> {
    let mut unlike: BTreeMap<Outline, Vec<Node>> = BTreeMap::new();
    for (id, store) in topology.stores.iter().enumerate() {
        let nodes = nodes_of(topology, StoreId(id));
        unlike.entry(outline(&nodes, store)).or_insert(nodes);
    }
    let unlike: Vec<(Outline, Vec<Node>)> = unlike.into_iter().collect();
    let maps = each(&unlike, |((_, copies, slots), nodes)| plan_some_slots(nodes, *copies, *slots));
    unlike.into_iter().map(|(outline, _)| outline).zip(maps).collect()
}

/// The nodes of a store, also of one whose servers are not ours, with their weights; zones are taken in turn.
pub fn nodes_of(topology: &Topology, id: StoreId) -> Vec<Node> {
    let store = topology.store(id);
    let zones = topology.zones.iter().cycle();
    let weighted = store.weights.iter().zip(zones).zip(1..);
    weighted
        .map(|((weight, zone), number)| Node {
            name: format!("{}-{number}", store.name),
            zone: zone.clone(),
            weight: *weight,
        })
        .collect()
}
