//! Cuts, weather and resets of directed links, for the engine whose own network knows nothing of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Waker,
    time::Duration,
};

use super::{RETRANSMIT, Weather};
use crate::world::Draw;

/// Who waits on one stream.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    pub(super) reset: bool,
}

/// A stream as its links know it.
pub(super) type Slot = Arc<Mutex<Waiting>>;

#[derive(Default)]
struct Link {
    cuts: u32,
    weather: Weather,
    busy_until: Duration,
    draw: Option<Draw>,
    streams: Vec<Weak<Mutex<Waiting>>>,
}

impl Link {
    fn each(&self, act: impl Fn(&mut Waiting)) {
        for slot in self.streams.iter().filter_map(Weak::upgrade) {
            let mut waiting = slot.lock().unwrap_or_else(PoisonError::into_inner);
            act(&mut waiting);
            for waker in [waiting.reader.take(), waiting.writer.take()].into_iter().flatten() {
                waker.wake();
            }
        }
    }
}

/// Directed links by name. Cloning shares them.
#[derive(Clone)]
pub(super) struct Links {
    seed: u64,
    links: Arc<Mutex<BTreeMap<(String, String), Link>>>,
    /// Machines that are up and whose process is gone.
    vacant: Arc<Mutex<BTreeSet<String>>>,
}

/// Whether a segment may leave now.
pub(super) enum Leave {
    /// Not before the link is mended.
    Never,
    /// After this time.
    After(Duration),
}

impl Links {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, links: Arc::default(), vacant: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, from: &str, to: &str, act: impl FnOnce(&mut Link) -> T) -> T {
        act(self.lock().entry((from.to_owned(), to.to_owned())).or_default())
    }

    /// A stream whose writes go over this link.
    pub(super) fn attach(&self, from: &str, to: &str) -> Slot {
        let slot = Slot::default();
        self.with(from, to, |link| {
            link.streams.retain(|stream| stream.strong_count() > 0);
            link.streams.push(Arc::downgrade(&slot));
        });
        slot
    }

    pub(super) fn cut(&self, from: &str, to: &str) {
        self.with(from, to, |link| link.cuts += 1);
    }

    pub(super) fn join(&self, from: &str, to: &str) {
        self.with(from, to, |link| {
            link.cuts = link.cuts.saturating_sub(1);
            if link.cuts == 0 {
                link.each(|_| {});
            }
        });
    }

    pub(super) fn weather(&self, from: &str, to: &str, weather: Weather) {
        self.with(from, to, |link| {
            link.weather = weather;
            link.busy_until = Duration::ZERO;
        });
    }

    pub(super) fn reset(&self, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            self.with(from, to, |link| link.each(|waiting| waiting.reset = true));
        }
    }

    pub(super) fn is_cut(&self, from: &str, to: &str) -> bool {
        self.lock().get(&(from.to_owned(), to.to_owned())).is_some_and(|link| link.cuts > 0)
    }

    /// Says whether the machine is up without its process, so that its kernel refuses what comes.
    pub(super) fn set_vacant(&self, host: &str, is_vacant: bool) {
        let mut vacant = self.vacant.lock().unwrap_or_else(PoisonError::into_inner);
        if is_vacant {
            vacant.insert(host.to_owned());
        } else {
            vacant.remove(host);
        }
    }

    /// Whether a new connection is refused.
    pub(super) fn is_refused(&self, from: &str, to: &str) -> bool {
        let vacant = self.vacant.lock().unwrap_or_else(PoisonError::into_inner).contains(to);
        vacant || self.lock().get(&(from.to_owned(), to.to_owned())).is_some_and(|link| link.weather.refused)
    }

    /// When a segment of this size may leave, where it is asked for at `now`.
    pub(super) fn leave(&self, from: &str, to: &str, bytes: usize, now: Duration) -> Leave {
        let seed = self.seed;
        self.with(from, to, |link| {
            if link.cuts > 0 {
                return Leave::Never;
            }
            let weather = link.weather;
            let mut wait = Duration::from_millis(weather.extra_ms);
            let mut retry = RETRANSMIT;
            if weather.lost_per_thousand > 0 {
                let parts: [&[u8]; 3] = [b"link", from.as_bytes(), to.as_bytes()];
                let draw = link.draw.get_or_insert_with(|| Draw::new(seed, &parts));
                for _ in 0..6 {
                    if !draw.chance(weather.lost_per_thousand) {
                        break;
                    }
                    wait += retry;
                    retry *= 2;
                }
            }
            if let Some(micros) = (bytes as u64 * 1_000_000).checked_div(weather.bytes_per_second) {
                link.busy_until = link.busy_until.max(now) + Duration::from_micros(micros);
                wait += link.busy_until - now;
            }
            Leave::After(wait)
        })
    }
}
