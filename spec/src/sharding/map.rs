//! Slot hash and slot map.

use serde::{Deserialize, Serialize};

/// Slots of a store, as in Redis Cluster.
pub const SLOTS: u16 = 16_384;

/// The slot of a key among `slots` slots: xxh3-64 of its bytes, reduced by multiplication (Lemire 2019, "Fast Random
/// Integer Generation in an Interval"), so that any slot count is unbiased to one part in 2^50.
///
/// # Panics
/// Never for `slots >= 1`; zero slots is a caller's bug.
pub fn slot_of(key: &[u8], slots: u16) -> u16 {
    debug_assert!(slots > 0, "a map has at least one slot");
    let hash = xxhash_rust::xxh3::xxh3_64(key);
    ((u128::from(hash) * u128::from(slots)) >> 64) as u16
}

/// Where each slot lives: for every slot the indexes of its nodes, primary first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotMap {
    /// `placement[slot]` = node indexes, primary first; never empty.
    pub placement: Vec<Vec<u32>>,
}

impl SlotMap {
    /// Slots in turn over the nodes, one copy each: the placement of ownership shards and of embedded stores.
    pub fn round_robin(slots: u16, nodes: u32) -> Self {
        let nodes = nodes.max(1);
        Self { placement: (0..u32::from(slots)).map(|slot| vec![slot % nodes]).collect() }
    }

    /// The same slots on the first `nodes` nodes, one copy each and even to within one, with the fewest moves: nodes with more
    /// than their share give, those with less take. Where shares are not whole, those that hold most keep one more.
    pub fn resized(&self, nodes: u32) -> Self {
        let nodes = nodes.max(1) as usize;
        let mut held = vec![0usize; nodes];
        let mut owners: Vec<Option<u32>> = Vec::with_capacity(self.placement.len());
        for holders in &self.placement {
            let owner = holders.first().copied().filter(|owner| (*owner as usize) < nodes);
            owner.iter().for_each(|owner| held[*owner as usize] += 1);
            owners.push(owner);
        }
        let (share, more) = (owners.len() / nodes, owners.len() % nodes);
        let mut order: Vec<usize> = (0..nodes).collect();
        order.sort_by_key(|node| (std::cmp::Reverse(held[*node]), *node));
        let mut wanted = vec![share; nodes];
        order.iter().take(more).for_each(|node| wanted[*node] += 1);
        for owner in &mut owners {
            if let Some(node) = owner.map(|o| o as usize).filter(|node| held[*node] > wanted[*node]) {
                held[node] -= 1;
                *owner = None;
            }
        }
        let mut taker = 0;
        let placement = owners.into_iter().map(|owner| {
            let owner = owner.unwrap_or_else(|| {
                while taker + 1 < nodes && held[taker] >= wanted[taker] {
                    taker += 1;
                }
                held[taker] += 1;
                taker as u32
            });
            vec![owner]
        });
        Self { placement: placement.collect() }
    }

    /// Number of slots.
    pub fn slots(&self) -> u16 {
        self.placement.len() as u16
    }

    /// The primary node of a key.
    pub fn owner(&self, key: &[u8]) -> u32 {
        self.placement[slot_of(key, self.slots()) as usize][0]
    }
}

/// The primaries of a [`SlotMap`] side by side, for those that look up a key at each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners(Vec<u32>);

impl Owners {
    /// The primary of each slot; node 0 for a slot without one.
    pub fn of(map: &SlotMap) -> Self {
        Self(map.placement.iter().map(|holders| holders.first().copied().unwrap_or(0)).collect())
    }

    /// The primary node of a key, as [`SlotMap::owner`] says.
    pub fn owner(&self, key: &[u8]) -> u32 {
        self.0.get(usize::from(slot_of(key, self.0.len() as u16))).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_stable_and_spread() {
        // A change of these figures would move every key of a running system.
        assert_eq!(slot_of(b"channel-1", SLOTS), slot_of(b"channel-1", SLOTS));
        let mut counts = vec![0u32; 64];
        for i in 0..64_000u32 {
            counts[slot_of(format!("key-{i}").as_bytes(), 64) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (800..1_200).contains(c)), "{counts:?}");
    }

    #[test]
    fn owners_are_the_primaries_of_the_map() {
        let map = SlotMap { placement: (0..97u32).map(|slot| vec![slot * 31 % 7, slot % 7]).collect() };
        let owners = Owners::of(&map);
        for key in 0..1_000u32 {
            assert_eq!(owners.owner(&key.to_be_bytes()), map.owner(&key.to_be_bytes()));
        }
    }

    #[test]
    fn resizes_are_even_and_move_no_more_than_shares_change() {
        for slots in [1u16, 7, 64, 1_000] {
            for before in 1u32..7 {
                for after in 1u32..7 {
                    let map = SlotMap::round_robin(slots, before);
                    let next = map.resized(after);
                    let count = |map: &SlotMap, node: u32| map.placement.iter().filter(|h| h[0] == node).count();
                    let held: Vec<usize> = (0..after).map(|n| count(&next, n)).collect();
                    let (least, most) = (held.iter().min().copied(), held.iter().max().copied());
                    assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1, "{slots} {before} {after} {held:?}");
                    let moved = map.placement.iter().zip(&next.placement).filter(|(a, b)| a != b).count();
                    let taken: usize = (0..after).map(|n| count(&next, n).saturating_sub(count(&map, n))).sum();
                    assert_eq!(moved, taken, "{slots} slots, {before} to {after} nodes");
                }
            }
        }
    }
}
