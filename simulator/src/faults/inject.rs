//! Applies a schedule to a running turmoil simulation, between its steps.
//!
//! Two-way cuts use turmoil's hold, which delivers late what TCP would have sent again; a one-way cut drops what is sent, so a
//! connection that met one hangs until its user gives up, as after a long outage. Power loss cuts all links before the crash,
//! so that peers hear nothing (turmoil's crash alone says a polite goodbye).

use std::{collections::BTreeMap, sync::Arc};

use archgen_env::entropy::Entropy;

use super::{Action, Scheduled};
use crate::world::{Crossing, SimulatedDisk, World, stream_seed};

/// Applies and heals faults.
pub struct Injector {
    world: World,
    hosts: Vec<String>,
    disks: BTreeMap<String, Arc<SimulatedDisk>>,
    waiting: Vec<Scheduled>,
    active: Vec<(u64, Action)>,
    down: BTreeMap<String, u32>,
    applied: Vec<Scheduled>,
    entropy: Entropy,
}

impl Injector {
    /// An injector of this schedule. `peers` are all names on the network, people included.
    pub fn new(
        world: &World,
        peers: Vec<String>,
        disks: BTreeMap<String, Arc<SimulatedDisk>>,
        schedule: Vec<Scheduled>,
    ) -> Self {
        let entropy = Entropy::new(stream_seed(world.seed, &[b"torn writes"]));
        let mut waiting = schedule;
        waiting.sort_by_key(|s| std::cmp::Reverse(s.at_ms));
        Self {
            world: world.clone(),
            hosts: peers,
            disks,
            waiting,
            active: Vec::new(),
            down: BTreeMap::new(),
            applied: Vec::new(),
            entropy,
        }
    }

    /// Brings the world to the state due at this time of the fault phase, milliseconds.
    pub fn advance(&mut self, simulation: &mut turmoil::Sim<'_>, now_ms: u64) {
        let due: Vec<Action> = self.active.iter().filter(|(end, _)| *end <= now_ms).map(|(_, a)| a.clone()).collect();
        self.active.retain(|(end, _)| *end > now_ms);
        for action in due {
            self.heal(simulation, &action);
        }
        while let Some(next) = self.waiting.pop_if(|s| s.at_ms <= now_ms) {
            self.apply(simulation, &next.action);
            self.active.push((now_ms + next.for_ms, next.action.clone()));
            self.applied.push(next);
        }
    }

    /// Ends every fault and applies no more.
    pub fn heal_all(&mut self, simulation: &mut turmoil::Sim<'_>) {
        self.waiting.clear();
        for (_, action) in std::mem::take(&mut self.active) {
            self.heal(simulation, &action);
        }
        self.world.skews.clear();
    }

    /// Faults applied so far.
    pub fn applied(&self) -> &[Scheduled] {
        &self.applied
    }

    fn apply(&mut self, simulation: &mut turmoil::Sim<'_>, action: &Action) {
        self.world.trace.record(Crossing::Fault, "apply", &format!("{action:?}"), &[]);
        match action {
            Action::Partition { a, b } => {
                self.world.cuts.cut(a, b);
                self.world.cuts.cut(b, a);
                simulation.hold(a.as_str(), b.as_str());
            }
            Action::OneWayCut { from, to } => {
                self.world.cuts.cut(from, to);
                simulation.partition_oneway(from.as_str(), to.as_str());
            }
            Action::Exit { host } => {
                if self.fall(host) {
                    simulation.crash(host.as_str());
                }
            }
            Action::PowerLoss { host } => {
                let first = self.fall(host);
                for peer in self.hosts.iter().filter(|p| *p != host) {
                    self.world.cuts.cut(host, peer);
                    self.world.cuts.cut(peer, host);
                    simulation.partition(host.as_str(), peer.as_str());
                }
                if first {
                    simulation.crash(host.as_str());
                }
                if let Some(disk) = self.disks.get(host) {
                    disk.lose_power(&self.entropy);
                }
            }
            Action::ClockSkew { host, offset_ms } => self.world.skews.set(host, *offset_ms),
        }
    }

    fn heal(&mut self, simulation: &mut turmoil::Sim<'_>, action: &Action) {
        self.world.trace.record(Crossing::Fault, "heal", &format!("{action:?}"), &[]);
        match action {
            Action::Partition { a, b } => {
                let (there, back) = (self.world.cuts.heal(a, b), self.world.cuts.heal(b, a));
                if there && back {
                    simulation.release(a.as_str(), b.as_str());
                    simulation.repair(a.as_str(), b.as_str());
                }
            }
            Action::OneWayCut { from, to } => {
                if self.world.cuts.heal(from, to) {
                    simulation.repair_oneway(from.as_str(), to.as_str());
                }
            }
            Action::Exit { host } => self.rise(simulation, host),
            Action::PowerLoss { host } => {
                for peer in self.hosts.clone().iter().filter(|p| *p != host) {
                    let (there, back) = (self.world.cuts.heal(host, peer), self.world.cuts.heal(peer, host));
                    if there && back {
                        simulation.repair(host.as_str(), peer.as_str());
                    }
                }
                self.rise(simulation, host);
            }
            Action::ClockSkew { host, .. } => self.world.skews.set(host, 0),
        }
    }

    /// Counts one more reason for the host to be down; `true` for the first.
    fn fall(&mut self, host: &str) -> bool {
        let reasons = self.down.entry(host.to_owned()).or_default();
        *reasons += 1;
        *reasons == 1
    }

    fn rise(&mut self, simulation: &mut turmoil::Sim<'_>, host: &str) {
        let left = self.down.get_mut(host).map_or(0, |reasons| {
            *reasons = reasons.saturating_sub(1);
            *reasons
        });
        if left == 0 {
            simulation.bounce(host);
        }
    }
}
