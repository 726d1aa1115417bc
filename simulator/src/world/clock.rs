//! Wall clocks with an offset per host. Monotonic time is the paused tokio clock that turmoil drives.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use archgen_env::clock::WallClock;

/// Where simulated wall time begins: 2025-06-15 15:06:40 UTC.
pub const EPOCH: Duration = Duration::from_secs(1_750_000_000);

/// Wall-clock offset of each host, milliseconds. Cloning shares it.
#[derive(Clone, Default)]
pub struct Skews(Arc<Mutex<BTreeMap<String, i64>>>);

impl Skews {
    /// Sets a host's offset.
    pub fn set(&self, host: &str, offset_ms: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), offset_ms);
    }

    /// Sets every clock right.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn get(&self, host: &str) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied().unwrap_or(0)
    }
}

/// True simulated time since the start of the simulation; zero where it is not known.
pub fn elapsed() -> Duration {
    elapsed_if_known().unwrap_or_default()
}

/// True simulated time since the start of the simulation, while a simulated host runs on this thread.
pub fn elapsed_if_known() -> Option<Duration> {
    turmoil::sim_elapsed()
}

pub(super) struct SimulatedClock {
    host: String,
    skews: Skews,
}

impl SimulatedClock {
    pub(super) fn new(host: &str, skews: Skews) -> Self {
        Self { host: host.to_owned(), skews }
    }
}

impl WallClock for SimulatedClock {
    fn wall_ms(&self) -> u64 {
        let right = (EPOCH + elapsed()).as_millis() as u64;
        right.saturating_add_signed(self.skews.get(&self.host))
    }
}
