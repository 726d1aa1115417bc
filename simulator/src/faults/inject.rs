//! Applies a schedule to a simulation under way, between the moments at which its engine rests.

use std::collections::BTreeMap;

use archgen_env::entropy::Entropy;

use super::{Action, Scheduled};
use crate::{
    engine::{DiskEvent, Engine, Weather},
    world::{Crossing, World, stream_seed},
};

/// Applies and heals faults.
pub struct Injector {
    world: World,
    waiting: Vec<Scheduled>,
    active: Vec<(u64, Action)>,
    down: BTreeMap<String, u32>,
    applied: Vec<Scheduled>,
    entropy: Entropy,
}

impl Injector {
    /// An injector of this schedule.
    pub fn new(world: &World, schedule: &[Scheduled]) -> Self {
        let entropy = Entropy::new(stream_seed(world.seed, &[b"torn writes"]));
        let mut waiting = schedule.to_vec();
        waiting.sort_by_key(|s| std::cmp::Reverse(s.at_ms));
        Self { world: world.clone(), waiting, active: Vec::new(), down: BTreeMap::new(), applied: Vec::new(), entropy }
    }

    /// When something is due next, milliseconds of the fault phase.
    pub fn next_ms(&self) -> Option<u64> {
        let ends = self.active.iter().map(|(end, _)| *end);
        ends.chain(self.waiting.last().map(|s| s.at_ms)).min()
    }

    /// Brings the world to the state due at this time of the fault phase, milliseconds.
    pub fn advance(&mut self, engine: &mut dyn Engine, now_ms: u64) {
        let due: Vec<Action> = self.active.iter().filter(|(end, _)| *end <= now_ms).map(|(_, a)| a.clone()).collect();
        self.active.retain(|(end, _)| *end > now_ms);
        for action in due {
            self.heal(engine, &action);
        }
        while let Some(next) = self.waiting.pop_if(|s| s.at_ms <= now_ms) {
            self.active.push((now_ms + next.for_ms, next.action.clone()));
            self.apply(engine, &next.action);
            self.applied.push(next);
        }
    }

    /// Ends every fault and applies no more.
    pub fn heal_all(&mut self, engine: &mut dyn Engine) {
        self.waiting.clear();
        for (_, action) in std::mem::take(&mut self.active) {
            self.heal(engine, &action);
        }
    }

    /// Faults applied so far.
    pub fn applied(&self) -> &[Scheduled] {
        &self.applied
    }

    /// Whether a host is down by a fault, so that nobody else should start it.
    pub fn is_down(&self, host: &str) -> bool {
        self.down.get(host).is_some_and(|reasons| *reasons > 0)
    }

    fn apply(&mut self, engine: &mut dyn Engine, action: &Action) {
        self.world.trace.record(Crossing::Fault, "apply", &format!("{action:?}"), &[]);
        match action {
            Action::Partition { a, b } => {
                engine.cut(a, b);
                engine.cut(b, a);
            }
            Action::OneWayCut { from, to } => engine.cut(from, to),
            Action::Latency { a, b, .. } | Action::Loss { a, b, .. } | Action::SlowLink { a, b, .. } => {
                self.set_weather(engine, a, b);
            }
            Action::Refuse { from, to } => engine.weather(from, to, self.weather(from, to)),
            Action::Reset { a, b } => engine.reset(a, b),
            Action::Exit { host } => {
                if self.fall(host) {
                    engine.exit(host);
                }
            }
            Action::PowerLoss { host } => {
                // A second loss of power changes nothing, but an exited process may lose its machine as well.
                self.fall(host);
                engine.power_off(host);
                engine.on_disk(host, DiskEvent::PowerLost(&self.entropy));
            }
            Action::DiskLoss { host } => {
                self.fall(host);
                engine.power_off(host);
                engine.on_disk(host, DiskEvent::Lost);
            }
            Action::CacheFlush { host } => {
                engine.exit(host);
                engine.on_disk(host, DiskEvent::Lost);
                if !self.is_down(host) {
                    engine.start(host);
                }
            }
            Action::CorruptDisk { host } => {
                // The process notices when it reads the disk again: at its next start.
                engine.exit(host);
                engine.on_disk(host, DiskEvent::Corrupt(&self.entropy));
                if !self.is_down(host) {
                    engine.start(host);
                }
            }
            Action::Pause { host } => engine.hold(host),
            Action::ClockSkew { host, offset_ms } => engine.set_clock(host, *offset_ms, 0),
            Action::ClockDrift { host, ms_per_second } => engine.set_clock(host, 0, *ms_per_second),
            Action::SlowDisk { host, call_ms } => engine.on_disk(host, DiskEvent::Slow(*call_ms)),
            Action::FullDisk { host } => engine.on_disk(host, DiskEvent::Full(true)),
        }
    }

    fn heal(&mut self, engine: &mut dyn Engine, action: &Action) {
        self.world.trace.record(Crossing::Fault, "heal", &format!("{action:?}"), &[]);
        match action {
            Action::Partition { a, b } => {
                engine.join(a, b);
                engine.join(b, a);
            }
            Action::OneWayCut { from, to } => engine.join(from, to),
            Action::Latency { a, b, .. } | Action::Loss { a, b, .. } | Action::SlowLink { a, b, .. } => {
                self.set_weather(engine, a, b);
            }
            Action::Refuse { from, to } => engine.weather(from, to, self.weather(from, to)),
            Action::Reset { .. } | Action::CacheFlush { .. } => {}
            Action::Exit { host } | Action::PowerLoss { host } | Action::DiskLoss { host } => self.rise(engine, host),
            Action::CorruptDisk { host } => {
                // Whoever looks after the fleet puts an empty disk in place of the damaged one.
                engine.power_off(host);
                engine.on_disk(host, DiskEvent::Lost);
                if !self.is_down(host) {
                    engine.start(host);
                }
            }
            Action::Pause { host } => engine.release(host),
            Action::ClockSkew { host, .. } | Action::ClockDrift { host, .. } => engine.set_clock(host, 0, 0),
            Action::SlowDisk { host, .. } => engine.on_disk(host, DiskEvent::Slow(0)),
            Action::FullDisk { host } => engine.on_disk(host, DiskEvent::Full(false)),
        }
    }

    fn set_weather(&self, engine: &mut dyn Engine, a: &str, b: &str) {
        engine.weather(a, b, self.weather(a, b));
        engine.weather(b, a, self.weather(b, a));
    }

    /// What the active faults together make of a directed link.
    fn weather(&self, from: &str, to: &str) -> Weather {
        let mut weather = Weather::default();
        let between = |a: &str, b: &str| (a == from && b == to) || (a == to && b == from);
        for (_, action) in &self.active {
            match action {
                Action::Latency { a, b, extra_ms } if between(a, b) => weather.extra_ms += extra_ms,
                Action::Loss { a, b, per_thousand } if between(a, b) => {
                    weather.lost_per_thousand = weather.lost_per_thousand.max(*per_thousand);
                }
                Action::SlowLink { a, b, bytes_per_second } if between(a, b) => {
                    let before = weather.bytes_per_second;
                    weather.bytes_per_second =
                        if before == 0 { *bytes_per_second } else { before.min(*bytes_per_second) };
                }
                Action::Refuse { from: client, to: server } if client == from && server == to => weather.refused = true,
                _ => {}
            }
        }
        weather
    }

    /// Counts one more reason for the host to be down; `true` for the first.
    fn fall(&mut self, host: &str) -> bool {
        let reasons = self.down.entry(host.to_owned()).or_default();
        *reasons += 1;
        *reasons == 1
    }

    fn rise(&mut self, engine: &mut dyn Engine, host: &str) {
        let left = self.down.get_mut(host).map_or(0, |reasons| {
            *reasons = reasons.saturating_sub(1);
            *reasons
        });
        if left == 0 {
            engine.start(host);
        }
    }
}
