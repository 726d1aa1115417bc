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

    /// Number of slots.
    pub fn slots(&self) -> u16 {
        self.placement.len() as u16
    }

    /// The primary node of a key.
    pub fn owner(&self, key: &[u8]) -> u32 {
        self.placement[slot_of(key, self.slots()) as usize][0]
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
}
