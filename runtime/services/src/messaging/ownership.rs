//! Who owns which shard, and what to ask the store for. Pure: times come in, decisions come out.
//!
//! Instances stand in an order of their own for each shard: by rendezvous hashing (highest random weight; Thaler and Ravishankar,
//! 1998). The first of the live ones owns the shard. An instance asks for the shards that prefer it always, and for another's once that
//! lease has been seen expired for a grace that grows with its place in the order, so that the next live instance takes over and the
//! others need not race it. What a dead instance owned is thereby spread over all others, and only that moves, there and back.

use std::{collections::BTreeMap, time::Duration};

use archgen_ports::messages::Lease;
use tokio::time::Instant;

/// A shard that this instance may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// Epoch under which it appends.
    pub(super) epoch: u64,
    /// End of the lease, by the time before it was asked for: never later than the store's own.
    pub(super) until: Instant,
}

/// A shard's random weight for an instance. The finaliser of splitmix64 is one-to-one, so no two instances weigh the same.
fn weight(shard: u16, ordinal: u32) -> u64 {
    let mut z = (u64::from(shard) << 32 | u64::from(ordinal)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The instance that a shard prefers, by ordinal.
pub(super) fn preferred(shard: u16, replicas: u32) -> u32 {
    (0..replicas).max_by_key(|ordinal| weight(shard, *ordinal)).unwrap_or(0)
}

/// This instance's place.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) owner: String,
    pub(super) incarnation: String,
    pub(super) ordinal: u32,
    pub(super) replicas: u32,
    pub(super) shards: u16,
    pub(super) lease: Duration,
}

/// What this instance knows of all shards.
#[derive(Debug)]
pub(super) struct Ownership {
    place: Place,
    held: BTreeMap<u16, Held>,
    /// Epoch and owner of every leased shard, as last seen.
    owners: BTreeMap<u16, (u64, String)>,
    /// Since when a shard has been seen without a valid lease.
    free_since: BTreeMap<u16, Instant>,
}

impl Ownership {
    pub(super) fn new(place: Place, now: Instant) -> Self {
        let free_since = (0..place.shards).map(|s| (s, now)).collect();
        Self { place, held: BTreeMap::new(), owners: BTreeMap::new(), free_since }
    }

    /// How many instances share the shards from now on: the first ones by ordinal.
    pub(super) fn shared_by(&mut self, replicas: u32) {
        self.place.replicas = replicas.max(1);
    }

    /// How many instances stand before this one in the shard's order.
    fn distance(&self, shard: u16) -> u32 {
        if self.place.ordinal >= self.place.replicas {
            // It is to leave: behind all who stay.
            return self.place.replicas;
        }
        let own = weight(shard, self.place.ordinal);
        (0..self.place.replicas).map(|ordinal| weight(shard, ordinal)).filter(|other| *other > own).count() as u32
    }

    /// Whether this instance is the one that a shard prefers.
    pub(super) fn prefers_us(&self, shard: u16) -> bool {
        preferred(shard, self.place.replicas) == self.place.ordinal
    }

    /// The epoch to append under, while the lease lasts.
    pub(super) fn epoch(&self, shard: u16, now: Instant) -> Option<u64> {
        self.held.get(&shard).filter(|h| now < h.until).map(|h| h.epoch)
    }

    /// The owner to hand a call to, as last seen.
    pub(super) fn owner(&self, shard: u16) -> Option<&str> {
        self.owners.get(&shard).map(|(_, owner)| owner.as_str())
    }

    /// Shards held.
    pub(super) fn held(&self) -> Vec<u16> {
        self.held.keys().copied().collect()
    }

    /// Takes in a look at all leases. A look that is older than a grant (it was answered before) changes nothing: epochs only
    /// rise.
    pub(super) fn observe(&mut self, leases: &[Lease], now: Instant) {
        for lease in leases {
            let newest = self.owners.get(&lease.shard).map_or(0, |(epoch, _)| *epoch);
            let held = self.held.get(&lease.shard).map_or(0, |h| h.epoch);
            if lease.epoch < newest.max(held) {
                continue;
            }
            if lease.left_ms == 0 {
                self.owners.remove(&lease.shard);
                self.free_since.entry(lease.shard).or_insert(now);
            } else {
                self.free_since.remove(&lease.shard);
                self.owners.insert(lease.shard, (lease.epoch, lease.owner.clone()));
            }
            if !self.is_ours(lease) && lease.left_ms > 0 {
                self.held.remove(&lease.shard);
            }
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        lease.owner == self.place.owner && lease.incarnation == self.place.incarnation
    }

    /// The shards to ask for now.
    pub(super) fn wanted(&self, now: Instant) -> Vec<u16> {
        (0..self.place.shards)
            .filter(|shard| {
                let distance = self.distance(*shard);
                let grace = self.place.lease / 2 * distance;
                distance == 0
                    || self.held.contains_key(shard)
                    || self.free_since.get(shard).is_some_and(|since| now.duration_since(*since) >= grace)
            })
            .collect()
    }

    /// Takes in, at `now`, the answer to a request made at `asked`. Returns the shards that are ours again: new ones, and those
    /// whose lease had run out here, because what waited for them (the relay) has passed them over meanwhile.
    pub(super) fn granted(&mut self, leases: &[Lease], asked: Instant, now: Instant) -> Vec<u16> {
        let mut gained = Vec::new();
        for lease in leases.iter().filter(|l| self.is_ours(l)).collect::<Vec<_>>() {
            let held = Held { epoch: lease.epoch, until: asked + self.place.lease };
            let before = self.held.insert(lease.shard, held);
            if before.is_none_or(|before| before.epoch != lease.epoch || before.until <= now) {
                gained.push(lease.shard);
            }
        }
        self.observe(leases, now);
        gained
    }

    /// Own preferred shards that another instance holds, by that instance's name.
    pub(super) fn abroad(&self) -> BTreeMap<String, Vec<u16>> {
        let mut abroad: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for (shard, (_, owner)) in &self.owners {
            if self.prefers_us(*shard) && *owner != self.place.owner {
                abroad.entry(owner.clone()).or_default().push(*shard);
            }
        }
        abroad
    }

    /// Gives up a shard at once; returns whether it was held.
    pub(super) fn drop_shard(&mut self, shard: u16) -> bool {
        self.held.remove(&shard).is_some()
    }
}
