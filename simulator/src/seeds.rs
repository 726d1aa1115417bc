//! Many plans, one forked child each, checked against themselves.

use std::{collections::BTreeMap, io, sync::Arc};

use archgen_spec::topology::Topology;

use crate::{
    children::{Hooks, each, under_shim},
    plan::Plan,
    run::{Recorded, record, run},
    verdict::{Run, Summary, Verdict},
    world::Ways,
};

/// One passing run in this many is repeated to see that its digest is the same.
const RECHECK_EVERY: usize = 100;
/// Failing runs that are repeated for the same reason.
const RECHECKED_MAX: usize = 20;

/// Which runs are repeated to see that their digests are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Failing ones, and one passing one in a hundred.
    Few,
    /// All.
    All,
}

/// Why seeds could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The operating system refused a pipe or a fork.
    #[error("cannot start a child process")]
    Fork(#[source] io::Error),
    /// The topology cannot be assembled.
    #[error("{0}")]
    Assembly(String),
}

/// Runs these plans on `workers` children at a time; the runs come back in the plans' order. `done` is called after each run.
/// Some are run a second time; a different digest is itself a red remark.
///
/// # Errors
/// See [`SeedError`].
pub fn run_plans(
    topology: &Arc<Topology>,
    plans: &[Plan],
    workers: usize,
    hooks: &dyn Hooks,
    repeat: Repeat,
    done: &mut dyn FnMut(&Run),
) -> Result<Summary, SeedError> {
    let all: Vec<usize> = (0..plans.len()).collect();
    let mut runs = chosen(topology, plans, &all, workers, hooks, done)?;
    let (red, passing): (Vec<usize>, Vec<usize>) = all.iter().partition(|i| runs[**i].verdict == Verdict::Red);
    let mut again: Vec<usize> = red.into_iter().take(RECHECKED_MAX).collect();
    match repeat {
        Repeat::Few => again.extend(passing.into_iter().skip(RECHECK_EVERY - 1).step_by(RECHECK_EVERY)),
        Repeat::All => again = all.clone(),
    }
    for (index, second) in again.iter().zip(chosen(topology, plans, &again, workers, hooks, &mut |_| {})?) {
        let first = &mut runs[*index];
        if first.digest != second.digest {
            first.verdict = Verdict::Red;
            first.remarks.push(format!(
                "not reproducible: digest {} at first, {} the second time; the simulator let entropy in",
                first.digest, second.digest
            ));
        }
    }
    Ok(Summary { runs, repeated: again.len() })
}

/// Runs these plans once each, in their order.
///
/// # Errors
/// See [`SeedError`].
pub(crate) fn run_once(
    topology: &Arc<Topology>,
    plans: &[Plan],
    workers: usize,
    hooks: &dyn Hooks,
) -> Result<Vec<Run>, SeedError> {
    let all: Vec<usize> = (0..plans.len()).collect();
    chosen(topology, plans, &all, workers, hooks, &mut |_| {})
}

/// Runs a plan once and keeps what clients saw.
///
/// # Errors
/// See [`SeedError`].
pub fn run_recorded(topology: &Arc<Topology>, plan: &Plan, hooks: &dyn Hooks) -> Result<Recorded, SeedError> {
    let mut result = Err(SeedError::Assembly("the run gave no result".to_owned()));
    let simulate = |_| {
        let (recorded, _) =
            under_shim(plan.seed, hooks, || record(topology, plan, Ways::noted()).map_err(|error| error.to_string()));
        serde_json::to_vec(&recorded.unwrap_or_else(|| Err("the simulation panicked".to_owned()))).unwrap_or_default()
    };
    each(&[0], 1, &simulate, &mut |_, output| {
        result = match output.map(|bytes| serde_json::from_slice::<Result<Recorded, String>>(&bytes)) {
            Ok(Ok(Ok(recorded))) => Ok(recorded),
            Ok(Ok(Err(error))) => Err(SeedError::Assembly(error)),
            Ok(Err(error)) => Err(SeedError::Assembly(format!("the run's record cannot be read: {error}"))),
            Err(death) => Err(SeedError::Assembly(death.0)),
        };
    })
    .map_err(SeedError::Fork)?;
    result
}

fn chosen(
    topology: &Arc<Topology>,
    plans: &[Plan],
    indexes: &[usize],
    workers: usize,
    hooks: &dyn Hooks,
    done: &mut dyn FnMut(&Run),
) -> Result<Vec<Run>, SeedError> {
    let mut runs: BTreeMap<usize, Run> = BTreeMap::new();
    let mut refused = None;
    let simulate = |index: usize| result(topology, &plans[index], hooks);
    each(indexes, workers, &simulate, &mut |index, output| {
        let plan = &plans[index];
        let run = match output.map(|bytes| serde_json::from_slice::<Result<Run, String>>(&bytes)) {
            Ok(Ok(Ok(run))) => run,
            Ok(Ok(Err(error))) => {
                refused.get_or_insert(error);
                return;
            }
            Ok(Err(error)) => Run::without_result(plan, format!("the run's result cannot be read: {error}")),
            Err(death) => Run::without_result(plan, death.0),
        };
        done(&run);
        runs.insert(index, run);
    })
    .map_err(SeedError::Fork)?;
    match refused {
        Some(error) => Err(SeedError::Assembly(error)),
        None => Ok(indexes.iter().filter_map(|index| runs.remove(index)).collect()),
    }
}

/// What a child writes: the run, or why the topology cannot be assembled.
fn result(topology: &Arc<Topology>, plan: &Plan, hooks: &dyn Hooks) -> Vec<u8> {
    let (ran, wrong) = under_shim(plan.seed, hooks, || run(topology, plan));
    let result = match ran {
        Some(Ok(mut run)) => {
            if !wrong.is_empty() {
                run.verdict = Verdict::Red;
                run.remarks.extend(wrong);
            }
            Ok(run)
        }
        Some(Err(error)) => Err(error.to_string()),
        None => {
            let mut run = Run::without_result(plan, "the simulation panicked".to_owned());
            run.remarks.extend(wrong);
            Ok(run)
        }
    };
    serde_json::to_vec(&result).unwrap_or_default()
}
