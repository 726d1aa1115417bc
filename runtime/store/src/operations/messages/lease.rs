//! Leases of shards.

use archgen_ports::messages::Lease;
use serde_json::{Value, to_value};

use super::stored::{StoredLease, lease_key, parse};
use crate::{
    committer::DecisionError,
    engine::{Engine, View},
    operations::keys::Key,
};

pub(super) fn leases(engine: &dyn Engine, now_ms: u64) -> Result<Vec<Lease>, DecisionError> {
    let (from, to) = Key::new("messages-lease").below();
    let mut all = Vec::new();
    for (key, value) in engine.scan(&from, &to, usize::MAX, false)? {
        let shard = key.last_chunk::<2>().map_or(0, |b| u16::from_be_bytes(*b));
        all.push(visible(shard, serde_json::from_slice(&value)?, now_ms));
    }
    Ok(all)
}

pub(super) fn visible(shard: u16, stored: StoredLease, now_ms: u64) -> Lease {
    let StoredLease { owner, incarnation, epoch, until_ms } = stored;
    Lease { shard, owner, incarnation, epoch, left_ms: until_ms.saturating_sub(now_ms) }
}

pub(super) fn lease(
    view: &mut View<'_>,
    owner: &str,
    incarnation: &str,
    shards: &[u16],
    ttl_ms: u64,
    now_ms: u64,
) -> Result<Value, DecisionError> {
    let mut granted = Vec::with_capacity(shards.len());
    for shard in shards {
        let stored: Option<StoredLease> = parse(view.get(&lease_key(*shard))?)?;
        let (renewed, epoch) = match &stored {
            Some(s) if s.owner == owner && s.incarnation == incarnation => (true, s.epoch),
            // Another life of the same host is over, since this one asks.
            Some(s) if s.owner == owner || s.until_ms <= now_ms => (true, s.epoch + 1),
            Some(s) => (false, s.epoch),
            None => (true, 1),
        };
        let lease = match stored {
            Some(stored) if !renewed => stored,
            _ => {
                let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
                let taken = StoredLease { owner, incarnation, epoch, until_ms: now_ms.saturating_add(ttl_ms) };
                view.put(lease_key(*shard), serde_json::to_vec(&taken)?);
                taken
            }
        };
        granted.push(visible(*shard, lease, now_ms));
    }
    Ok(to_value(granted)?)
}
