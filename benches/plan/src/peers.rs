//! The other ways of giving keys to nodes, each as its authors describe it.

use std::collections::BTreeMap;

use archgen_generator::{Node, plan_slots, replan};
use archgen_spec::sharding::{Owners, SlotMap};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Points of a node on the ring.
const POINTS: u32 = 100;
/// Entries of Maglev's table, the smaller of the two sizes in the paper.
const ENTRIES: usize = 65_537;

/// Gives each key a node, by index.
pub trait Placement {
    /// The node of a key.
    fn node(&self, key: &[u8]) -> u32;
    /// The same for another number of nodes.
    fn resized(&self, nodes: u32) -> Box<dyn Placement>;
}

/// One more or less than `nodes` equal nodes in one zone.
pub fn fleet(nodes: u32) -> Vec<Node> {
    (0..nodes).map(|i| Node { name: format!("n-{i}"), zone: "z".to_owned(), weight: 1 }).collect()
}

/// 16,384 slots, moved as little as can be.
pub struct Slots {
    map: SlotMap,
    owners: Owners,
    nodes: u32,
}

impl Slots {
    pub fn new(nodes: u32) -> Self {
        Self::with(plan_slots(&fleet(nodes), 1), nodes)
    }

    fn with(map: SlotMap, nodes: u32) -> Self {
        Self { owners: Owners::of(&map), map, nodes }
    }
}

impl Placement for Slots {
    fn node(&self, key: &[u8]) -> u32 {
        self.owners.owner(key)
    }

    fn resized(&self, nodes: u32) -> Box<dyn Placement> {
        Box::new(Self::with(replan(&self.map, &fleet(self.nodes), &fleet(nodes), 1), nodes))
    }
}

/// Lamping and Veach 2014, "A Fast, Minimal Memory, Consistent Hash Algorithm".
pub struct Jump(pub u32);

impl Placement for Jump {
    fn node(&self, key: &[u8]) -> u32 {
        let mut hash = xxh3_64(key);
        let (mut at, mut next) = (0i64, 0i64);
        while next < i64::from(self.0) {
            at = next;
            hash = hash.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
            next = ((at + 1) as f64 * ((1u64 << 31) as f64 / ((hash >> 33) + 1) as f64)) as i64;
        }
        at as u32
    }

    fn resized(&self, nodes: u32) -> Box<dyn Placement> {
        Box::new(Self(nodes))
    }
}

/// Thaler and Ravishankar 1998, highest random weight.
pub struct Rendezvous(pub u32);

impl Placement for Rendezvous {
    fn node(&self, key: &[u8]) -> u32 {
        let hash = xxh3_64(key);
        let weight = |node: &u32| {
            let mut mixed = hash ^ u64::from(*node).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        };
        (0..self.0).max_by_key(weight).unwrap_or(0)
    }

    fn resized(&self, nodes: u32) -> Box<dyn Placement> {
        Box::new(Self(nodes))
    }
}

/// Eisenbud et al. 2016, "Maglev", section 3.4.
pub struct Maglev(Vec<u32>);

impl Maglev {
    pub fn new(nodes: u32) -> Self {
        let name = |node: u32| format!("n-{node}");
        let step: Vec<(usize, usize)> = (0..nodes)
            .map(|n| {
                let offset = xxh3_64_with_seed(name(n).as_bytes(), 1) as usize % ENTRIES;
                (offset, xxh3_64_with_seed(name(n).as_bytes(), 2) as usize % (ENTRIES - 1) + 1)
            })
            .collect();
        let mut table = vec![u32::MAX; ENTRIES];
        let mut next = vec![0usize; nodes as usize];
        let mut filled = 0;
        'all: loop {
            for node in 0..nodes as usize {
                let (offset, skip) = step[node];
                let entry = loop {
                    let entry = (offset + next[node] * skip) % ENTRIES;
                    next[node] += 1;
                    if table[entry] == u32::MAX {
                        break entry;
                    }
                };
                table[entry] = node as u32;
                filled += 1;
                if filled == ENTRIES {
                    break 'all;
                }
            }
        }
        Self(table)
    }
}

impl Placement for Maglev {
    fn node(&self, key: &[u8]) -> u32 {
        self.0[xxh3_64(key) as usize % ENTRIES]
    }

    fn resized(&self, nodes: u32) -> Box<dyn Placement> {
        Box::new(Self::new(nodes))
    }
}

/// Karger et al. 1997, with a hundred points for each node.
pub struct Ring(BTreeMap<u64, u32>);

impl Ring {
    pub fn new(nodes: u32) -> Self {
        let point = |node: u32, point: u32| (xxh3_64(format!("n-{node}/{point}").as_bytes()), node);
        Self((0..nodes).flat_map(|n| (0..POINTS).map(move |p| point(n, p))).collect())
    }
}

impl Placement for Ring {
    fn node(&self, key: &[u8]) -> u32 {
        let hash = xxh3_64(key);
        self.0.range(hash..).chain(self.0.iter()).next().map_or(0, |(_, node)| *node)
    }

    fn resized(&self, nodes: u32) -> Box<dyn Placement> {
        Box::new(Self::new(nodes))
    }
}
