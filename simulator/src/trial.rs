//! The scenarios of a spec's tests: one loss at a known moment, and what people saw of it against what is expected.

use std::{sync::Arc, time::Duration};

use archgen_spec::topology::{Expectation, Loss, Topology};
use serde::{Deserialize, Serialize};

use crate::{
    children::{Hooks, each, under_shim},
    engine::EngineKind,
    faults::{Action, Scheduled},
    history::{History, Outcome},
    plan::Plan,
    run::{Recorded, record},
    seeds::SeedError,
    verdict::{Run, Verdict},
    world::Ways,
};

/// People talk so long before the loss and after it, milliseconds.
const AROUND_MS: u64 = 2_000;
/// A person sends about so often, milliseconds, so that the loss is felt.
const SEND_EVERY_MS: u64 = 400;

/// One seed of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Seed.
    pub seed: u64,
    /// The longest that a send stayed without an acknowledgement, milliseconds.
    pub longest_wait_ms: u64,
    /// Sends that were acknowledged.
    pub acknowledged: usize,
    /// What was not as expected, in words; empty where everything was.
    pub failures: Vec<String>,
}

/// The run that plays a loss.
pub fn trial_plan(topology: &Topology, lose: &Loss, lasts: Duration, seed: u64) -> Plan {
    let for_ms = lasts.as_millis() as u64;
    let duration_ms = for_ms + 2 * AROUND_MS;
    let hosts: Vec<String> = match lose {
        Loss::Zone(zone) => topology.instances().into_iter().filter(|i| i.zone == *zone).map(|i| i.name).collect(),
        Loss::One(component) => {
            let all = topology.component_named(component).map(|c| topology.component_instances(c)).unwrap_or_default();
            // Seeds take the instances in turn.
            let chosen = seed as usize % all.len().max(1);
            all.into_iter().nth(chosen).map(|i| i.name).into_iter().collect()
        }
    };
    let power = |host| Scheduled { at_ms: AROUND_MS, for_ms, action: Action::PowerLoss { host } };
    Plan {
        rebalance: false,
        engine: EngineKind::Event,
        seed,
        people: topology.simulation.clients,
        sends: u32::try_from(duration_ms / SEND_EVERY_MS).unwrap_or(u32::MAX),
        duration_ms,
        settle_ms: topology.simulation.settle.as_millis() as u64,
        schedule: hosts.into_iter().map(power).collect(),
    }
}

/// Plays a loss under these seeds, `workers` at a time; the results come back in their order.
///
/// # Errors
/// See [`SeedError`].
pub fn try_scenario(
    topology: &Arc<Topology>,
    (lose, lasts, expect): (&Loss, Duration, &[Expectation]),
    seeds: &[u64],
    workers: usize,
    hooks: &dyn Hooks,
) -> Result<Vec<Tried>, SeedError> {
    let plans: Vec<Plan> = seeds.iter().map(|seed| trial_plan(topology, lose, lasts, *seed)).collect();
    let all: Vec<usize> = (0..plans.len()).collect();
    let simulate = |index: usize| {
        let plan = &plans[index];
        let (recorded, wrong) =
            under_shim(plan.seed, hooks, || record(topology, plan, Ways::default()).map_err(|e| e.to_string()));
        let tried = match recorded {
            Some(Ok(recorded)) => Ok(judge(plan.seed, expect, &recorded, wrong)),
            Some(Err(error)) => Err(error),
            None => Ok(failed(plan.seed, "the simulation panicked".to_owned())),
        };
        serde_json::to_vec(&tried).unwrap_or_default()
    };
    let mut tried: Vec<Option<Tried>> = vec![None; plans.len()];
    let mut refused = None;
    each(&all, workers, &simulate, &mut |index, output| {
        let seed = plans[index].seed;
        tried[index] = match output.map(|bytes| serde_json::from_slice::<Result<Tried, String>>(&bytes)) {
            Ok(Ok(Ok(tried))) => Some(tried),
            Ok(Ok(Err(error))) => {
                refused.get_or_insert(error);
                None
            }
            Ok(Err(error)) => Some(failed(seed, format!("the run's result cannot be read: {error}"))),
            Err(death) => Some(failed(seed, death.0)),
        };
    })
    .map_err(SeedError::Fork)?;
    match refused {
        Some(error) => Err(SeedError::Assembly(error)),
        None => Ok(tried.into_iter().flatten().collect()),
    }
}

fn failed(seed: u64, why: String) -> Tried {
    Tried { seed, longest_wait_ms: 0, acknowledged: 0, failures: vec![why] }
}

/// What people saw against what is expected.
fn judge(seed: u64, expect: &[Expectation], recorded: &Recorded, mut failures: Vec<String>) -> Tried {
    let Recorded { run, history, .. } = recorded;
    let wait = longest_wait(history, Duration::from_millis(run.simulated_ms));
    for expectation in expect {
        match expectation {
            Expectation::Keeps(invariant) => failures.extend(kept(run, invariant.name())),
            Expectation::SendsRefusedAtMost(bound) if wait > *bound => {
                failures.push(format!("a send stayed without an acknowledgement for {} ms", wait.as_millis()));
            }
            Expectation::SendsRefusedAtMost(_) => {}
        }
    }
    if run.operations == 0 {
        failures.push("no send was acknowledged: the run proves nothing".to_owned());
    }
    // What went wrong beside promises, such as a host that ended by itself, is never expected.
    if run.verdict == Verdict::Red && run.broken().is_empty() {
        failures.extend(run.remarks.iter().cloned());
    }
    Tried { seed, longest_wait_ms: wait.as_millis() as u64, acknowledged: run.operations, failures }
}

/// Why a promise was not kept, if so.
fn kept(run: &Run, name: &str) -> Option<String> {
    let Some(finding) = run.findings.iter().find(|f| f.invariant == name) else {
        return Some(format!("nothing checks {name}"));
    };
    match finding.breaches.first() {
        Some(breach) => Some(format!("{name} is broken: {breach}")),
        None if finding.checked == 0 => Some(format!("{name} checked nothing")),
        None => None,
    }
}

/// The longest that a send of anybody stayed without an answer, all its tries together.
fn longest_wait(history: &History, end: Duration) -> Duration {
    let wait = |send: &crate::history::Send| match send.outcome {
        Outcome::Indeterminate => end.saturating_sub(send.invoked),
        _ => send.done.unwrap_or(end).saturating_sub(send.invoked),
    };
    history.sends.values().map(wait).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(invoked: u64, done: Option<u64>, outcome: Outcome) -> crate::history::Send {
        crate::history::Send {
            person: "ann".to_owned(),
            channel: "1".to_owned(),
            client_msg_id: format!("{invoked}"),
            body: String::new(),
            mentions: Vec::new(),
            invoked: Duration::from_secs(invoked),
            done: done.map(Duration::from_secs),
            tries: 1,
            acks: Vec::new(),
            outcome,
        }
    }

    #[test]
    fn a_send_without_an_answer_waits_to_the_end() {
        let mut history = History::default();
        let ok = || Outcome::Ok { seq: 1, id: "a".to_owned() };
        history.sends.insert("1".to_owned(), send(1, Some(4), ok()));
        assert_eq!(longest_wait(&history, Duration::from_secs(20)), Duration::from_secs(3));
        history.sends.insert("2".to_owned(), send(5, None, Outcome::Indeterminate));
        assert_eq!(longest_wait(&history, Duration::from_secs(20)), Duration::from_secs(15));
    }
}
