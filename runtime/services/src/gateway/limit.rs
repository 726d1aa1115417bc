//! Token buckets: how many requests a key may make, with a bound on how many keys are remembered. And how many requests of one
//! client may be under way at once.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use archgen_spec::topology::RateLimit;
use tokio::time::Instant;

/// Keys remembered by one limit.
const KEYS_MAX: usize = 65_536;

struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// One limit over many keys.
pub(super) struct Buckets<K> {
    rate: RateLimit,
    keys_max: usize,
    buckets: Mutex<BTreeMap<K, Bucket>>,
}

impl<K: Ord + Clone> Buckets<K> {
    /// Full buckets of this rate and burst.
    pub(super) fn new(rate: RateLimit) -> Self {
        Self::bounded(rate, KEYS_MAX)
    }

    /// As [`Self::new`], remembering at most `keys_max` keys.
    pub(super) fn bounded(rate: RateLimit, keys_max: usize) -> Self {
        Self { rate, keys_max, buckets: Mutex::default() }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// Whole seconds until there is one again, at least 1.
    pub(super) fn take(&self, key: &K, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(key) && buckets.len() >= self.keys_max {
            self.forget(&mut buckets, now);
        }
        let full = self.capacity();
        let bucket = buckets.entry(key.clone()).or_insert(Bucket { tokens: full, filled: now });
        bucket.tokens = self.level(bucket, now);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait_s = (1.0 - bucket.tokens) / self.rate.per_second.max(1e-6);
        Err((wait_s.ceil() as u64).clamp(1, 3_600))
    }

    fn capacity(&self) -> f64 {
        f64::from(self.rate.burst) + 1.0
    }

    fn level(&self, bucket: &Bucket, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(bucket.filled).as_secs_f64() * self.rate.per_second;
        (bucket.tokens + gained).min(self.capacity())
    }

    /// Makes room: full buckets say nothing and go; if all are in use, every second one goes, which favours those keys for a
    /// moment and bounds the cost of a flood of addresses.
    fn forget(&self, buckets: &mut BTreeMap<K, Bucket>, now: Instant) {
        buckets.retain(|_, b| self.level(b, now) < self.capacity());
        if buckets.len() >= self.keys_max {
            let mut odd = false;
            buckets.retain(|_, _| {
                odd = !odd;
                odd
            });
        }
    }

    /// Keys remembered now.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Requests under way by client: nginx's `limit_conn`, which counts a connection while it has a request, too.
#[derive(Clone)]
pub(super) struct InFlight {
    per_client_max: u32,
    counts: Arc<Mutex<BTreeMap<IpAddr, u32>>>,
}

/// One request under way; it counts until dropped.
pub(super) struct Hold {
    counts: Arc<Mutex<BTreeMap<IpAddr, u32>>>,
    client: IpAddr,
}

impl InFlight {
    /// At most this many at once.
    pub(super) fn new(per_client_max: u32) -> Self {
        Self { per_client_max, counts: Arc::default() }
    }

    /// Counts one more request; `None` where the client has its fill.
    pub(super) fn enter(&self, client: IpAddr) -> Option<Hold> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&client).copied().unwrap_or(0);
        if count >= self.per_client_max {
            return None;
        }
        counts.insert(client, count + 1);
        Some(Hold { counts: self.counts.clone(), client })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.client);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or the /64 that one IPv6 subscriber usually holds.
pub(super) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}
