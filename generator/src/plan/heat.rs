//! How unevenly a skewed load falls on nodes. Hashing spreads keys, not their traffic: with few keys that carry much of it,
//! the node that happens to hold the hottest ones works more than the others, however even the slots are.

use archgen_spec::sharding::{SlotMap, slot_of};
use archgen_spec::topology::{MessageLoad, StoreKind};
use serde::Serialize;

use super::{Node, hottest_share};
use crate::parallel::mapped;

/// Hashings that are tried: twenty make the worst of them the one-in-twenty case.
const HASHINGS: u64 = 20;
/// Keys followed one by one; the traffic of the others is taken to be spread as their slots are.
const KEYS_FOLLOWED_MAX: u64 = 10_000;

/// What the declared skew makes of a placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heat {
    /// Share of the traffic on the hottest key, on the ten and on the hundred hottest, parts per million.
    pub top_keys_ppm: [u64; 3],
    /// Traffic of the hottest node over the mean per unit of weight, in thousandths: the median over twenty hashings.
    pub hottest_node_permille: u64,
    /// The same in the worst of the twenty.
    pub hottest_node_worst_permille: u64,
    /// The least that any number of nodes can bring it to, in thousandths: the hottest key alone on its node.
    pub floor_permille: u64,
}

/// The forecast for a store that holds messages.
pub(super) fn heat(map: &SlotMap, nodes: &[Node], kind: StoreKind, load: &MessageLoad) -> Option<Heat> {
    let weight: u64 = nodes.iter().map(|n| u64::from(n.weight)).sum();
    if weight == 0 || map.placement.is_empty() {
        return None;
    }
    let hottest = hottest_share(load.keys, load.skew);
    let followed = load.keys.clamp(1, KEYS_FOLLOWED_MAX);
    let shares: Vec<f64> = (1..=followed).map(|rank| hottest * (rank as f64).powf(-load.skew)).collect();
    let top = |count: usize| (shares.iter().take(count).sum::<f64>() * 1e6).round() as u64;
    // Without a leader each copy takes the write; otherwise the leader does the work.
    let working = |slot: usize| {
        let holders = &map.placement[slot];
        if kind == StoreKind::Cassandra { holders.as_slice() } else { holders.get(..1).unwrap_or_default() }
    };
    let base = spread(map.placement.len(), nodes.len(), &working);
    let copies: f64 = base.iter().sum();
    let rest = (1.0 - shares.iter().sum::<f64>()).max(0.0);
    let ranks: Vec<String> = (0..shares.len()).map(|rank| rank.to_string()).collect();
    let ratio = |hashing: &u64| {
        let mut loads: Vec<f64> = base.iter().map(|b| b / copies * rest * per_slot(&working, map)).collect();
        let mut key = format!("{hashing}/");
        let prefix = key.len();
        for (rank, share) in ranks.iter().zip(&shares) {
            key.truncate(prefix);
            key.push_str(rank);
            let slot = slot_of(key.as_bytes(), map.slots());
            working(usize::from(slot)).iter().for_each(|node| loads[*node as usize] += share);
        }
        let mean = loads.iter().sum::<f64>() / weight as f64;
        let busy = loads.iter().zip(nodes).filter(|(_, n)| n.weight > 0);
        busy.map(|(load, n)| (load / f64::from(n.weight) / mean * 1e3).round() as u64).max().unwrap_or(0)
    };
    let mut ratios = mapped(&(0..HASHINGS).collect::<Vec<u64>>(), ratio);
    ratios.sort_unstable();
    let heaviest = nodes.iter().map(|n| n.weight).max().unwrap_or(1);
    let alone = hottest * weight as f64 / f64::from(heaviest) / per_slot(&working, map).max(1.0);
    Some(Heat {
        top_keys_ppm: [top(1), top(10), top(100)],
        hottest_node_permille: ratios[ratios.len() / 2],
        hottest_node_worst_permille: ratios[ratios.len() - 1],
        floor_permille: ((alone * 1e3).round() as u64).max(1_000),
    })
}

/// Slots on which each node works.
fn spread<'a>(slots: usize, nodes: usize, working: &impl Fn(usize) -> &'a [u32]) -> Vec<f64> {
    let mut counts = vec![0.0; nodes];
    for slot in 0..slots {
        working(slot).iter().for_each(|node| counts[*node as usize] += 1.0);
    }
    counts
}

/// Nodes that work on one slot.
fn per_slot<'a>(working: &impl Fn(usize) -> &'a [u32], map: &SlotMap) -> f64 {
    map.placement.first().map_or(0.0, |_| working(0).len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan_slots;

    fn sixteen(skew: f64, keys: u64) -> Heat {
        let nodes: Vec<Node> =
            (0..16).map(|i| Node { name: format!("n-{i}"), zone: format!("z-{}", i % 3), weight: 1 }).collect();
        let load = MessageLoad {
            mean_per_second: 1.0,
            peak_per_second: 1.0,
            size_bytes: 1,
            key: "channel_id".into(),
            skew,
            keys,
        };
        heat(&plan_slots(&nodes, 1), &nodes, StoreKind::Kafka, &load).expect("there are nodes")
    }

    #[test]
    fn skew_beats_hashing() {
        // Zipf(1.0) over a million keys on 16 nodes: 6.95 % of the traffic on one key, which alone is 1.11 times a node's mean.
        let hot = sixteen(1.0, 1_000_000);
        assert_eq!(hot.top_keys_ppm[0], 69_480);
        assert!((1_600..2_400).contains(&hot.hottest_node_permille), "{hot:?}");
        assert_eq!(hot.floor_permille, 1_112);
        let flat = sixteen(0.0, 1_000_000);
        assert!(flat.hottest_node_worst_permille < 1_050, "{flat:?}");
        assert!(hot.hottest_node_worst_permille >= hot.hottest_node_permille);
    }
}
