//! Transfers between nodes, and the waves in which they run: no node takes part in more than it may at once.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Pace;
use crate::plan::{Layout, moves};

/// Units of one dataset that go from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// The dataset, where the engine places datasets one by one.
    pub dataset: Option<String>,
    /// Node that the data are read from.
    pub from: String,
    /// Node that takes them.
    pub to: String,
    /// Which units.
    pub units: Vec<u16>,
    /// Bytes of all of them, where known.
    pub bytes: Option<u64>,
}

/// Transfers that run at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wave {
    /// From 1.
    pub number: usize,
    /// What runs.
    pub transfers: Vec<Transfer>,
    /// How long it takes at the pace, where bytes are known.
    pub seconds: Option<u64>,
}

/// The transfers from one layout to the next, which has as many units.
pub(super) fn transfers(before: &Layout, after: &Layout, unit_bytes: Option<u64>) -> Vec<Transfer> {
    let change = moves(&before.map, &before.nodes, &after.map, &after.nodes);
    let mut pairs: BTreeMap<(u32, u32), Vec<u16>> = BTreeMap::new();
    for one in change.moves {
        let Some(source) = one.source else { continue };
        pairs.entry((one.to, source)).or_default().push(one.slot);
    }
    let transfer = |((to, from), units): ((u32, u32), Vec<u16>)| Transfer {
        dataset: after.dataset.clone(),
        from: before.nodes[from as usize].name.clone(),
        to: after.nodes[to as usize].name.clone(),
        bytes: unit_bytes.map(|b| b.saturating_mul(units.len() as u64)),
        units,
    };
    pairs.into_iter().map(transfer).collect()
}

/// Each transfer goes into the first wave with room for both of its nodes. `one_by_one` keeps waves to one taking node, for
/// engines in which only one node may join at a time.
pub(super) fn waves(transfers: Vec<Transfer>, pace: Pace, one_by_one: bool) -> Vec<Wave> {
    let most = pace.transfers_per_node_max.max(1) as usize;
    let mut waves: Vec<Vec<Transfer>> = Vec::new();
    for transfer in transfers {
        let busy = |wave: &[Transfer], name: &str| wave.iter().filter(|t| t.from == name || t.to == name).count();
        let fits = |wave: &&mut Vec<Transfer>| match one_by_one {
            true => wave.iter().all(|t| t.to == transfer.to),
            false => busy(wave, &transfer.from) < most && busy(wave, &transfer.to) < most,
        };
        match waves.iter_mut().find(fits) {
            Some(wave) => wave.push(transfer),
            None => waves.push(vec![transfer]),
        }
    }
    waves
        .into_iter()
        .zip(1..)
        .map(|(transfers, number)| {
            // Transfers run side by side, each at the pace: the largest one decides.
            let seconds = transfers.iter().map(|t| t.bytes).collect::<Option<Vec<u64>>>();
            let seconds = seconds.map(|b| b.into_iter().max().unwrap_or(0).div_ceil(pace.bytes_per_second_max.max(1)));
            Wave { number, transfers, seconds }
        })
        .collect()
}
