//! Wall clocks with an offset per host. Monotonic time is the paused tokio clock that the engine drives.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use archgen_env::clock::WallClock;

/// Where simulated wall time begins: 2025-06-15 15:06:40 UTC.
pub const EPOCH: Duration = Duration::from_secs(1_750_000_000);

/// How wrong a clock is.
#[derive(Debug, Clone, Copy, Default)]
struct Skew {
    offset_ms: i64,
    /// Milliseconds gained a second, since a moment.
    drift: Option<(i64, Duration)>,
}

/// Wall-clock offset of each host. Cloning shares it.
#[derive(Clone, Default)]
pub struct Skews(Arc<Mutex<BTreeMap<String, Skew>>>);

impl Skews {
    /// Sets a host's offset; its clock drifts no more.
    pub fn set(&self, host: &str, offset_ms: i64) {
        self.insert(host, Skew { offset_ms, drift: None });
    }

    /// Lets a host's clock gain this much a second from now on.
    pub fn drift(&self, host: &str, ms_per_second: i64, now: Duration) {
        self.insert(host, Skew { offset_ms: self.get(host, now), drift: Some((ms_per_second, now)) });
    }

    fn insert(&self, host: &str, skew: Skew) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), skew);
    }

    /// A host's offset at this time, milliseconds.
    fn get(&self, host: &str, now: Duration) -> i64 {
        let skew = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied().unwrap_or_default();
        let drifted = skew.drift.map_or(0, |(rate, since)| now.saturating_sub(since).as_millis() as i64 * rate / 1_000);
        skew.offset_ms + drifted
    }
}

thread_local! {
    /// Where the event engine's time began, on this thread.
    static ORIGIN: Cell<Option<tokio::time::Instant>> = const { Cell::new(None) };
    /// The event engine's time while no runtime is entered.
    static RESTING: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Says where the event engine's time begins; `None` when it ends.
pub fn set_origin(origin: Option<tokio::time::Instant>) {
    ORIGIN.with(|o| o.set(origin));
    RESTING.with(|r| r.set(Duration::ZERO));
}

/// Says at which time the event engine rests.
pub fn set_resting(elapsed: Duration) {
    RESTING.with(|r| r.set(elapsed));
}

/// True simulated time since the start of the simulation; zero where it is not known.
pub fn elapsed() -> Duration {
    elapsed_if_known().unwrap_or_default()
}

/// True simulated time since the start of the simulation, while a simulation runs on this thread.
pub fn elapsed_if_known() -> Option<Duration> {
    match ORIGIN.with(Cell::get) {
        Some(origin) if tokio::runtime::Handle::try_current().is_ok() => Some(tokio::time::Instant::now() - origin),
        Some(_) => Some(RESTING.with(Cell::get)),
        None => turmoil::sim_elapsed().or_else(|| Some(RESTING.with(Cell::get)).filter(|r| !r.is_zero())),
    }
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
        let now = elapsed();
        let right = (EPOCH + now).as_millis() as u64;
        right.saturating_add_signed(self.skews.get(&self.host, now))
    }
}
