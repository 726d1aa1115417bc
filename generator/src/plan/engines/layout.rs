//! What an engine places, and where: one slot map for each thing that it places by itself.

use archgen_spec::capacity::capacity;
use archgen_spec::sharding::{SLOTS, SlotMap};
use archgen_spec::topology::{DatasetShape, ServiceKind, Store, StoreId, StoreKind, Topology};

use crate::plan::{Node, nodes_of, plan_some_slots, replan};

/// Token ranges of a Cassandra node at first: the engine's own default number of tokens.
const TOKENS_PER_NODE: usize = 16;
/// Token ranges of a ring.
const TOKENS_MAX: usize = 4_096;
/// Chunks of a new hashed collection on each shard.
const CHUNKS_PER_SHARD: u16 = 8;
/// Shards of an Elasticsearch index.
const INDEX_SHARDS_MAX: u64 = 1_024;

/// What an engine places as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A Redis slot.
    Slot,
    /// A hash partition of a PostgreSQL table.
    HashPartition,
    /// A range of Cassandra's tokens.
    TokenRange,
    /// A chunk of a MongoDB collection.
    Chunk,
    /// A partition of a Kafka topic.
    Partition,
    /// A shard of an Elasticsearch index.
    Shard,
    /// What an embedded store moves as a whole: an ownership shard of channels, a slot, all accounts.
    Whole,
}

impl Unit {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slot => "slot",
            Self::HashPartition => "hash partition",
            Self::TokenRange => "token range",
            Self::Chunk => "chunk",
            Self::Partition => "partition",
            Self::Shard => "shard",
            Self::Whole => "unit",
        }
    }
}

/// One placement of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What is placed.
    pub unit: Unit,
    /// The dataset that it is a part of; `None` where the engine places all of them together.
    pub dataset: Option<String>,
    /// What it is placed on: nodes, or the leaders of groups of nodes that hold the same.
    pub nodes: Vec<Node>,
    /// The other members of each group, by name; empty where nodes are placed on one by one.
    pub followers: Vec<Vec<String>>,
    /// Copies of each unit that the engine places by itself.
    pub copies: u32,
    /// Where each unit is.
    pub map: SlotMap,
}

/// The layouts of a store that is set up anew.
pub fn layouts(topology: &Topology, id: StoreId) -> Vec<Layout> {
    let store = topology.store(id);
    outlines(topology, id)
        .into_iter()
        .map(|outline| {
            let planned = plan_some_slots(&outline.nodes, outline.copies, outline.units);
            // Redis writes slots as ranges: the same shares side by side make short ones.
            let map =
                if store.kind == StoreKind::Redis { side_by_side(&planned, outline.nodes.len()) } else { planned };
            outline.with(map)
        })
        .collect()
}

/// The layouts of a store that was set up as `old` says: the fewest moves from there.
pub fn relayout(old: &[Layout], topology: &Topology, id: StoreId) -> Vec<Layout> {
    let moved = |outline: Outline| {
        let before = old.iter().find(|l| l.unit == outline.unit && l.dataset == outline.dataset);
        let map = match before {
            // Token ranges are only ever cut, never joined; elsewhere another number is another table, topic or index.
            Some(l) if l.unit == Unit::TokenRange => {
                let cut = l.cut(outline.units);
                replan(&cut.map, &cut.nodes, &outline.nodes, outline.copies)
            }
            Some(l) if l.map.slots() == outline.units => replan(&l.map, &l.nodes, &outline.nodes, outline.copies),
            _ => plan_some_slots(&outline.nodes, outline.copies, outline.units),
        };
        outline.with(map)
    };
    outlines(topology, id).into_iter().map(moved).collect()
}

/// The layout of an embedded store that was set up with these nodes: its units in turn, one copy each.
pub fn embedded_layout(topology: &Topology, id: StoreId) -> Layout {
    let nodes = nodes_of(topology, id);
    let messaging = topology.services.iter().find(|s| s.kind == ServiceKind::Messaging);
    let units = match topology.store(id).kind {
        StoreKind::Cassandra => messaging.map_or(1, |s| s.shards.max(1)),
        // A transaction may touch any account.
        StoreKind::Postgres => 1,
        _ => SLOTS,
    };
    let map = SlotMap::round_robin(units, nodes.len() as u32);
    Layout { unit: Unit::Whole, dataset: None, nodes, followers: Vec::new(), copies: 1, map }
}

/// The layout to which `archgen up` brings one that was set up as `old` says.
pub fn embedded_relayout(old: &Layout, topology: &Topology, id: StoreId) -> Layout {
    let nodes = nodes_of(topology, id);
    let map = old.map.resized(nodes.len() as u32);
    Layout { map, nodes, ..old.clone() }
}

impl Layout {
    /// The same placement with every unit cut in halves until there are as many as wanted: nothing moves by that.
    pub fn cut(&self, units: u16) -> Self {
        let mut cut = self.clone();
        while cut.map.slots() < units && !cut.map.placement.is_empty() {
            let halves = cut.map.placement.iter().flat_map(|holders| [holders.clone(), holders.clone()]);
            cut.map = SlotMap { placement: halves.collect() };
        }
        cut
    }
}

/// A layout without its map.
struct Outline {
    unit: Unit,
    dataset: Option<String>,
    nodes: Vec<Node>,
    followers: Vec<Vec<String>>,
    copies: u32,
    units: u16,
}

impl Outline {
    fn with(self, map: SlotMap) -> Layout {
        let Self { unit, dataset, nodes, followers, copies, .. } = self;
        Layout { unit, dataset, nodes, followers, copies, map }
    }
}

fn outlines(topology: &Topology, id: StoreId) -> Vec<Outline> {
    let store = topology.store(id);
    let nodes = nodes_of(topology, id);
    let whole = |unit, copies, units| {
        let (nodes, followers) = (nodes.clone(), Vec::new());
        vec![Outline { unit, dataset: None, nodes, followers, copies, units }]
    };
    match store.kind {
        StoreKind::Redis => {
            let (nodes, followers) = groups(&nodes, store.copies);
            vec![Outline { unit: Unit::Slot, dataset: None, nodes, followers, copies: 1, units: SLOTS }]
        }
        StoreKind::Cassandra => whole(Unit::TokenRange, store.copies, token_ranges(&nodes, topology.zones.len())),
        StoreKind::S3 => Vec::new(),
        _ => store.datasets.iter().filter_map(|d| dataset(topology, store, &nodes, &d.name, &d.shape)).collect(),
    }
}

fn dataset(topology: &Topology, store: &Store, nodes: &[Node], name: &str, shape: &DatasetShape) -> Option<Outline> {
    let name = Some(name.to_owned());
    let narrow = |count: u64| u16::try_from(count).unwrap_or(SLOTS).clamp(1, SLOTS);
    let alone = |unit, copies: u32, units| Outline {
        unit,
        dataset: name.clone(),
        nodes: nodes.to_vec(),
        followers: Vec::new(),
        copies,
        units,
    };
    let grouped = |unit, units: u16| {
        let (nodes, followers) = groups(nodes, store.copies);
        Outline { unit, dataset: name.clone(), nodes, followers, copies: 1, units }
    };
    Some(match shape {
        DatasetShape::Topic { partitions, replicas, .. } => {
            alone(Unit::Partition, *replicas, narrow(u64::from(*partitions)))
        }
        DatasetShape::PostgresTable { shard: Some((_, into)), .. } => {
            grouped(Unit::HashPartition, narrow(u64::from(*into)))
        }
        // Where the fields of a key lie is not known before there is data; hashes are known.
        DatasetShape::Collection { hashed: true, .. } => {
            let shards = groups(nodes, store.copies).0.len();
            grouped(Unit::Chunk, CHUNKS_PER_SHARD.saturating_mul(narrow(shards as u64)))
        }
        DatasetShape::Index { shard_bytes, replicas, .. } => {
            let figures = capacity(store, &topology.load);
            let kept = figures.datasets.iter().find(|d| Some(&d.name) == name.as_ref()).map(|d| {
                // What is kept for ever is cut for a year.
                d.retained_bytes.unwrap_or(d.bytes_per_day.saturating_mul(365))
            });
            let full = kept.map_or(1, |bytes| bytes.div_ceil((*shard_bytes).max(1)));
            let units = full.clamp(1, INDEX_SHARDS_MAX);
            alone(Unit::Shard, replicas.saturating_add(1), narrow(units))
        }
        _ => return None,
    })
}

/// Ranges so that a node of the fullest rack has about sixteen tokens.
fn token_ranges(nodes: &[Node], zones: usize) -> u16 {
    let in_rack = nodes.len().div_ceil(zones.max(1));
    (TOKENS_PER_NODE * in_rack).next_power_of_two().clamp(TOKENS_PER_NODE, TOKENS_MAX) as u16
}

/// Nodes that hold the same, by the node that leads them. Zones are taken in turn by nodes, so that neighbours are apart; which of
/// a group leads is taken in turn by groups, so that a lost zone takes its share of leaders and no more.
fn groups(nodes: &[Node], copies: u32) -> (Vec<Node>, Vec<Vec<String>>) {
    let size = (copies.max(1) as usize).min(nodes.len().max(1));
    let mut leaders = Vec::new();
    let mut followers = Vec::new();
    for (number, group) in nodes.chunks_exact(size).enumerate() {
        let lead = number % size;
        leaders.push(group[lead].clone());
        let others = group.iter().enumerate().filter(|(place, _)| *place != lead);
        followers.push(others.map(|(_, n)| n.name.clone()).collect());
    }
    (leaders, followers)
}

/// As many slots on each node as in `map`, in one run each.
fn side_by_side(map: &SlotMap, nodes: usize) -> SlotMap {
    let mut counts = vec![0usize; nodes];
    map.placement.iter().filter_map(|h| h.first()).for_each(|node| counts[*node as usize] += 1);
    let runs = counts.iter().zip(0u32..).flat_map(|(count, node)| std::iter::repeat_n(vec![node], *count));
    SlotMap { placement: runs.collect() }
}
