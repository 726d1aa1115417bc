//! The schedule: every fault of one run with its time, drawn from the spec's `sim:` section by the seed alone. It is made
//! before the run and does not depend on what happens in it.

use std::time::Duration;

use super::{Action, Scheduled, derive::derive};
use crate::world::{Draw, stream_seed};
use archgen_env::entropy::Entropy;
use archgen_spec::topology::{Fault, FaultKind, Topology};

/// Faults in one run.
const FAULTS_MAX: usize = 64;
/// Of a thousand seeds, so many go without a declared fault, so that the others meet alone.
const LEFT_OUT: u64 = 250;

/// The faults of this seed, by time. A declared fault is drawn once per second of
/// the fault phase with its probability; a clock skew once, for the whole phase. Where none is declared, the graph says which.
pub fn schedule(topology: &Topology, seed: u64) -> Vec<Scheduled> {
    let simulation = &topology.simulation;
    let mut all = if simulation.faults.is_empty() {
        derive(topology, seed, simulation.clients)
    } else {
        declared(topology, seed)
    };
    let duration_ms = simulation.duration.as_millis() as u64;
    all.retain(|fault| fault.at_ms < duration_ms);
    all.sort_by_key(|s| s.at_ms);
    all.truncate(FAULTS_MAX);
    all
}

fn declared(topology: &Topology, seed: u64) -> Vec<Scheduled> {
    let mut all = Vec::new();
    let duration_ms = topology.simulation.duration.as_millis() as u64;
    let mut swarm = Draw::new(seed, &[b"swarm"]);
    for (index, fault) in topology.simulation.faults.iter().enumerate() {
        if topology.simulation.faults.len() > 1 && swarm.chance(LEFT_OUT) {
            continue;
        }
        let entropy = Entropy::new(stream_seed(seed, &[b"faults", &(index as u64).to_le_bytes()]));
        if let FaultKind::ClockSkew { .. } = fault.kind {
            // A clock is off for the whole phase, or not at all.
            if entropy.below(1_000_000) as f64 / 1_000_000.0 < fault.probability {
                let skewed = actions(topology, fault, &entropy).into_iter();
                all.extend(skewed.map(|action| Scheduled { at_ms: 0, for_ms: duration_ms, action }));
            }
            continue;
        }
        for second in 0..duration_ms / 1000 {
            let drawn = entropy.below(1_000_000) as f64 / 1_000_000.0;
            if drawn >= fault.probability {
                continue;
            }
            let at_ms = second * 1000 + entropy.below(1000);
            let for_ms = between(&entropy, fault.lasts);
            all.extend(actions(topology, fault, &entropy).into_iter().map(|action| Scheduled {
                at_ms,
                for_ms,
                action,
            }));
        }
    }
    all
}

fn between(entropy: &Entropy, (least, most): (Duration, Duration)) -> u64 {
    let (least, most) = (least.as_millis() as u64, most.as_millis() as u64);
    least + entropy.below(most.saturating_sub(least) + 1)
}

fn actions(topology: &Topology, fault: &Fault, entropy: &Entropy) -> Vec<Action> {
    let pick = |component: &str| -> Option<String> {
        let hosts = topology.component_named(component).map(|c| topology.component_instances(c)).unwrap_or_default();
        let chosen = entropy.below(hosts.len() as u64) as usize;
        hosts.into_iter().nth(chosen).map(|i| i.name)
    };
    match &fault.kind {
        FaultKind::Partition { a, b, one_way } => match (pick(a), pick(b)) {
            (Some(a), Some(b)) if a != b && *one_way => vec![Action::OneWayCut { from: a, to: b }],
            (Some(a), Some(b)) if a != b => vec![Action::Partition { a, b }],
            _ => Vec::new(),
        },
        FaultKind::Exit { on } => pick(on).map(|host| Action::Exit { host }).into_iter().collect(),
        FaultKind::PowerLoss { on } => pick(on).map(|host| Action::PowerLoss { host }).into_iter().collect(),
        FaultKind::ClockSkew { on, by } => {
            let by = by.as_millis() as u64;
            let offset_ms = entropy.below(2 * by + 1) as i64 - by as i64;
            pick(on).map(|host| Action::ClockSkew { host, offset_ms }).into_iter().collect()
        }
        FaultKind::ZoneLoss { zone } => {
            let inside = topology.instances().into_iter().filter(|i| i.zone == *zone);
            inside.map(|i| Action::PowerLoss { host: i.name }).collect()
        }
    }
}
