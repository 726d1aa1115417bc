//! [`Placement`]: the owner of each unit, under a version that rises with every change.

use archgen_env::net::Address;
use archgen_spec::sharding::SlotMap;
use serde::{Deserialize, Serialize};

/// Header with the version of the placement that a caller knows, where it asks all nodes.
pub(crate) const VERSION_HEADER: &str = "archgen-placement";

/// Who holds what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Rises by one with every change. 0 is the placement of a store that never changed: its founders in turn.
    pub version: u64,
    /// The nodes, ordinal order.
    pub nodes: Vec<Address>,
    /// Ordinal of each unit's owner.
    pub owners: Vec<u32>,
}

impl Placement {
    /// The placement of a new store: units in turn over its nodes.
    pub fn founded(nodes: Vec<Address>, units: u16) -> Self {
        let owners = (0..u32::from(units.max(1))).map(|unit| unit % (nodes.len().max(1) as u32)).collect();
        Self { version: 0, nodes, owners }
    }

    /// The owner's ordinal.
    pub fn owner(&self, unit: u16) -> u32 {
        self.owners.get(usize::from(unit)).copied().unwrap_or(0)
    }

    /// Units of one owner.
    pub fn units_of(&self, node: u32) -> Vec<u16> {
        (0u16..).zip(&self.owners).filter(|(_, owner)| **owner == node).map(|(unit, _)| unit).collect()
    }

    /// Owners on these nodes with the fewest moves.
    pub fn resized(&self, nodes: u32) -> Vec<u32> {
        let map = SlotMap { placement: self.owners.iter().map(|owner| vec![*owner]).collect() };
        map.resized(nodes).placement.iter().map(|holders| holders[0]).collect()
    }

    /// The next placement: these units belong to another node.
    pub fn with(&self, units: &[u16], owner: u32) -> Self {
        let mut next = self.clone();
        next.version += 1;
        for unit in units {
            if let Some(at) = next.owners.get_mut(usize::from(*unit)) {
                *at = owner;
            }
        }
        next
    }
}
