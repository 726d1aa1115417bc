//! Instances of one service, and which of them takes the next request.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use archgen_env::net::Address;
use archgen_spec::topology::Balance;
use sha2::{Digest, Sha256};
use tokio::time::{Duration, Instant};

use crate::host::Peer;

/// How long an instance that failed is passed over, milliseconds; doubled at each failure in a row.
const REST_MS: u64 = 1_000;
/// Longest rest, milliseconds.
const REST_MS_MAX: u64 = 16_000;

struct Slot {
    peer: Peer,
    in_flight: AtomicUsize,
    /// Failures in a row, and the end of the rest they earned.
    rest: Mutex<(u32, Option<Instant>)>,
}

/// The instances of a service.
pub(super) struct Pool {
    service: String,
    slots: Mutex<Vec<Arc<Slot>>>,
    next: AtomicUsize,
}

/// One request's hold on an instance; it counts as in flight until dropped.
pub(super) struct Lease(Arc<Slot>);

impl Pool {
    /// These instances.
    pub(super) fn new(service: &str, peers: Vec<Peer>) -> Self {
        let pool = Self { service: service.to_owned(), slots: Mutex::default(), next: AtomicUsize::new(0) };
        pool.set(peers);
        pool
    }

    /// The service's name.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// Takes over a new list; instances that stay keep their counts.
    pub(super) fn set(&self, mut peers: Vec<Peer>) {
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let keep = |peer: Peer| match slots.iter().find(|s| s.peer == peer) {
            Some(slot) => slot.clone(),
            None => Arc::new(Slot { peer, in_flight: AtomicUsize::new(0), rest: Mutex::default() }),
        };
        let fresh = peers.into_iter().map(keep).collect();
        *slots = fresh;
    }

    /// The instance for a request of this caller, leaving out `not` (instances that just failed) and, while there are others,
    /// those at rest.
    pub(super) fn pick(&self, balance: Balance, caller: &[u8], not: &[String], now: Instant) -> Option<Lease> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed: Vec<&Arc<Slot>> = slots.iter().filter(|s| !not.contains(&s.peer.name)).collect();
        let awake: Vec<&Arc<Slot>> = allowed.iter().copied().filter(|s| !s.rests(now)).collect();
        let candidates = if awake.is_empty() { allowed } else { awake };
        if candidates.is_empty() {
            return None;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % candidates.len();
        let in_turn = || candidates[turn..].iter().chain(&candidates[..turn]).copied();
        let chosen = match balance {
            Balance::RoundRobin => candidates[turn],
            Balance::LeastConn => in_turn().min_by_key(|s| s.in_flight.load(Ordering::Relaxed))?,
            Balance::ConsistentHash => candidates.iter().copied().max_by_key(|s| weight(&s.peer.name, caller))?,
        };
        chosen.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Lease(chosen.clone()))
    }
}

/// Rendezvous hashing (Thaler and Ravishankar 1996): each caller prefers instances in an order of its own, so that only the
/// callers of a lost instance move.
fn weight(instance: &str, caller: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update(instance).chain_update([0]).chain_update(caller).finalize();
    digest.iter().take(8).fold(0, |weight, byte| (weight << 8) | u64::from(*byte))
}

impl Slot {
    fn rests(&self, now: Instant) -> bool {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).1.is_some_and(|until| until > now)
    }
}

impl Lease {
    /// The instance's name.
    pub(super) fn name(&self) -> &str {
        &self.0.peer.name
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &Address {
        &self.0.peer.address
    }

    /// The instance could not be reached: others go first for a moment.
    pub(super) fn failed(&self, now: Instant) {
        let mut rest = self.0.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let rest_ms = (REST_MS << rest.0.min(8)).min(REST_MS_MAX);
        *rest = (rest.0 + 1, Some(now + Duration::from_millis(rest_ms)));
    }

    /// The instance answered.
    pub(super) fn answered(&self) {
        *self.0.rest.lock().unwrap_or_else(PoisonError::into_inner) = (0, None);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
