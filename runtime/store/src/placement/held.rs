//! A node's view: which units are its own, and which keys of units on the move have changed since their copy began.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use super::{Placement, unit_of};
use crate::{
    committer::DecisionError,
    engine::{Batch, Engine, View},
    node::Place,
};

/// Where a placement that has changed is kept.
const KEY: &[u8] = b"\0archgen-placement";
/// Keys that may have changed since a copy began; with more the copy begins anew.
const CHANGED_MAX: usize = 1 << 20;

/// Changed keys in one batch.
const BATCH_KEYS_MAX: usize = 1_024;
/// Keys and values of one batch, bytes; the one that goes beyond is its last.
const BATCH_BYTES_MAX: usize = 512 << 10;

/// What changed in units that are being copied.
#[derive(Default)]
struct Tracking {
    /// Of which copy; 0 is none.
    number: u64,
    units: BTreeSet<u16>,
    changed: BTreeSet<Vec<u8>>,
    /// Number and keys of the batch that was given last: given again until the next one is asked for.
    given: (u64, Vec<Vec<u8>>),
}

/// Which units are this node's. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Held {
    me: u32,
    placement: Arc<RwLock<Arc<Placement>>>,
    tracking: Arc<Mutex<Tracking>>,
}

/// Changes of a tracked copy.
pub(crate) struct Changed {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) more: bool,
}

impl Held {
    /// The placement that the engine keeps, or that of the founders.
    ///
    /// # Errors
    /// The engine cannot be read.
    pub(crate) fn load(engine: &dyn Engine, place: &Place, founded: Placement) -> Result<Self, DecisionError> {
        let stored = engine.get(KEY)?.map(|bytes| serde_json::from_slice(&bytes)).transpose()?;
        let mut placement: Placement = stored.unwrap_or(founded);
        for (node, address) in placement.nodes.iter_mut().zip(&place.addresses) {
            node.clone_from(address);
        }
        let placement = Arc::new(RwLock::new(Arc::new(placement)));
        Ok(Self { me: place.ordinal, placement, tracking: Arc::default() })
    }

    /// This node's ordinal.
    pub(crate) fn me(&self) -> u32 {
        self.me
    }

    /// The placement as this node knows it.
    pub(crate) fn placement(&self) -> Arc<Placement> {
        self.placement.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all of these are this node's own.
    pub(crate) fn owns(&self, units: &[u16]) -> bool {
        let placement = self.placement();
        units.iter().all(|unit| placement.owner(*unit) == self.me)
    }

    /// Takes a placement for true unless a newer one is known; as part of a decision, so that whatever is decided later sees it.
    ///
    /// # Errors
    /// It has no text.
    pub(crate) fn adopt(&self, view: &mut View<'_>, placement: Placement) -> Result<(), DecisionError> {
        let mut known = self.placement.write().unwrap_or_else(PoisonError::into_inner);
        if placement.version > known.version {
            view.put(KEY.to_vec(), serde_json::to_vec(&placement)?);
            // Should the commit fail, the node serves less than it might, never what is no longer its own.
            *known = Arc::new(placement);
        }
        Ok(())
    }

    /// Begins to note what changes in these units, in place of any earlier ones.
    pub(crate) fn track(&self, units: &[u16], number: u64) {
        let mut tracking = self.tracking.lock().unwrap_or_else(PoisonError::into_inner);
        *tracking = Tracking { number, units: units.iter().copied().collect(), ..Tracking::default() };
    }

    /// Whether this copy is still tracked: a restart, another copy or too many changes end it.
    pub(crate) fn tracks(&self, number: u64) -> bool {
        self.tracking.lock().unwrap_or_else(PoisonError::into_inner).number == number
    }

    /// Keys of tracked units in a batch, to be noted once it is committed.
    pub(crate) fn tracked(&self, batch: &Batch) -> Vec<Vec<u8>> {
        let tracking = self.tracking.lock().unwrap_or_else(PoisonError::into_inner);
        if tracking.number == 0 {
            return Vec::new();
        }
        let units = self.placement().owners.len() as u16;
        let ours = |(key, value): &(&Vec<u8>, &Option<Vec<u8>>)| {
            let unit = unit_of(key, value.as_deref().unwrap_or_default(), units);
            unit.is_some_and(|unit| tracking.units.contains(&unit))
        };
        batch.iter().filter(ours).map(|(key, _)| key.clone()).collect()
    }

    /// Notes committed changes.
    pub(crate) fn note(&self, keys: Vec<Vec<u8>>) {
        if keys.is_empty() {
            return;
        }
        let mut tracking = self.tracking.lock().unwrap_or_else(PoisonError::into_inner);
        tracking.changed.extend(keys);
        if tracking.changed.len() > CHANGED_MAX {
            *tracking = Tracking::default();
        }
    }

    /// Takes some changed keys as this batch, by the size of each with its value; the same keys again where that batch was given and its answer lost. `None`
    /// where the copy is no longer tracked. Whoever takes them reads their values afterwards: what changes in between is noted
    /// again.
    pub(crate) fn take_changed(&self, number: u64, batch: u64, size: impl Fn(&[u8]) -> usize) -> Option<Changed> {
        let mut tracking = self.tracking.lock().unwrap_or_else(PoisonError::into_inner);
        if number == 0 || tracking.number != number {
            return None;
        }
        if tracking.given.0 != batch {
            let mut bytes = 0;
            let fits = |key: &&Vec<u8>| {
                let fits = bytes < BATCH_BYTES_MAX;
                bytes += size(key);
                fits
            };
            let keys: Vec<Vec<u8>> = tracking.changed.iter().take(BATCH_KEYS_MAX).take_while(fits).cloned().collect();
            for key in &keys {
                tracking.changed.remove(key);
            }
            tracking.given = (batch, keys);
        }
        Some(Changed { keys: tracking.given.1.clone(), more: !tracking.changed.is_empty() })
    }
}
