//! Makes the plan of a failing run smaller while it fails in the same way: fewer faults (delta debugging; Zeller and Hildebrandt
//! 2002), shorter faults, fewer people and sends, rounder times.

use std::{fmt, sync::Arc};

use archgen_spec::topology::Topology;

use crate::{
    children::Hooks,
    faults::Scheduled,
    plan::Plan,
    seeds::{SeedError, run_once},
    verdict::{Run, Verdict},
};

/// Runs that one minimisation may take.
const RUNS_MAX: usize = 80;
/// A fault is not made shorter than this, milliseconds.
const FAULT_MS_MIN: u64 = 50;
/// After its last fault a run goes on for this long before it is healed, milliseconds.
const TAIL_MS: u64 = 1_000;

/// How a run failed, so that a smaller one can be told to fail in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symptom(String);

impl Symptom {
    /// The symptom of a run that was kept.
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The symptom of a failed run; `None` where it did not fail.
    pub fn of(run: &Run) -> Option<Self> {
        if run.verdict != Verdict::Red {
            return None;
        }
        let class = |remark: &String| remark.split(':').next().unwrap_or_default().to_owned();
        let broken = run.broken().first().map(|name| (*name).to_owned());
        broken.or_else(|| run.remarks.first().map(class)).map(Self)
    }

    /// Whether this run failed in the same way.
    pub fn shows(&self, run: &Run) -> bool {
        let remarked = || run.remarks.iter().any(|remark| remark.starts_with(&self.0));
        run.verdict == Verdict::Red && (run.broken().contains(&self.0.as_str()) || remarked())
    }
}

impl fmt::Display for Symptom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A minimised failure.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The smallest plan found.
    pub plan: Plan,
    /// Its run.
    pub run: Run,
    /// Runs that it took.
    pub runs: usize,
}

/// Shrinks the plan of a failed run. `told` is called after each probe with the number of faults of the smallest plan so far.
///
/// # Errors
/// See [`SeedError`].
pub fn shrink(
    topology: &Arc<Topology>,
    plan: &Plan,
    failed: &Run,
    workers: usize,
    hooks: &dyn Hooks,
    told: &mut dyn FnMut(usize),
) -> Result<Option<Shrunk>, SeedError> {
    let Some(symptom) = Symptom::of(failed) else { return Ok(None) };
    let best = Shrunk { plan: plan.clone(), run: failed.clone(), runs: 0 };
    let mut search = Search { topology, symptom, workers: workers.max(1), hooks, best, told };
    search.faults()?;
    search.people_and_sends()?;
    search.lengths()?;
    search.round()?;
    Ok(Some(search.best))
}

struct Search<'a> {
    topology: &'a Arc<Topology>,
    symptom: Symptom,
    workers: usize,
    hooks: &'a dyn Hooks,
    best: Shrunk,
    told: &'a mut dyn FnMut(usize),
}

impl Search<'_> {
    /// Tries these plans, as many at a time as there are workers; the first in order that still fails becomes the best.
    fn first_that_fails(&mut self, candidates: Vec<Plan>) -> Result<Option<usize>, SeedError> {
        let mut begin = 0;
        for batch in candidates.chunks(self.workers) {
            if self.best.runs >= RUNS_MAX {
                return Ok(None);
            }
            let runs = run_once(self.topology, batch, self.workers, self.hooks)?;
            self.best.runs += runs.len();
            (self.told)(self.best.plan.schedule.len());
            if let Some(index) = runs.iter().position(|run| self.symptom.shows(run)) {
                self.best.plan = batch[index].clone();
                self.best.run = runs[index].clone();
                return Ok(Some(begin + index));
            }
            begin += batch.len();
        }
        Ok(None)
    }

    fn with(&self, change: impl FnOnce(&mut Plan)) -> Plan {
        let mut plan = self.best.plan.clone();
        change(&mut plan);
        plan
    }

    fn faults(&mut self) -> Result<(), SeedError> {
        let mut parts = 2;
        while !self.best.plan.schedule.is_empty() {
            let length = self.best.plan.schedule.len();
            let size = length.div_ceil(parts);
            let mut candidates: Vec<Plan> = Vec::new();
            if parts == 2 {
                // Often one half, or nothing at all, is enough.
                candidates.push(self.with(|plan| plan.schedule.clear()));
            }
            let chunks: Vec<&[Scheduled]> = self.best.plan.schedule.chunks(size).collect();
            for left_out in (0..chunks.len()).rev() {
                let kept = chunks.iter().enumerate().filter(|(i, _)| *i != left_out).flat_map(|(_, c)| c.to_vec());
                let kept: Vec<Scheduled> = kept.collect();
                candidates.push(self.with(|plan| plan.schedule = kept));
            }
            candidates.retain(|plan| plan.schedule.len() < length);
            match self.first_that_fails(candidates)? {
                Some(_) => parts = (parts - 1).max(2),
                None if size == 1 => break,
                None => parts = (parts * 2).min(length),
            }
        }
        Ok(())
    }

    fn people_and_sends(&mut self) -> Result<(), SeedError> {
        while self.best.plan.sends > 1 {
            let sends = self.best.plan.sends / 2;
            if self.first_that_fails(vec![self.with(|plan| plan.sends = sends)])?.is_none() {
                break;
            }
        }
        while self.best.plan.people > 1 {
            let people = self.best.plan.people - 1;
            if self.first_that_fails(vec![self.with(|plan| plan.people = people)])?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn lengths(&mut self) -> Result<(), SeedError> {
        for index in 0..self.best.plan.schedule.len() {
            while self.best.plan.schedule[index].for_ms >= 2 * FAULT_MS_MIN {
                let half = self.best.plan.schedule[index].for_ms / 2;
                if self.first_that_fails(vec![self.with(|plan| plan.schedule[index].for_ms = half)])?.is_none() {
                    break;
                }
            }
        }
        let end = self.best.plan.schedule.iter().map(|s| s.at_ms + s.for_ms).max().unwrap_or(0) + TAIL_MS;
        if end < self.best.plan.duration_ms {
            let shorter = self.with(|plan| plan.duration_ms = end);
            self.first_that_fails(vec![shorter])?;
        }
        Ok(())
    }

    fn round(&mut self) -> Result<(), SeedError> {
        for index in 0..self.best.plan.schedule.len() {
            let nearest = |ms: u64, grain: u64| (ms + grain / 2) / grain * grain;
            let rounded = [1_000u64, 100].map(|grain| {
                self.with(|plan| {
                    let fault = &mut plan.schedule[index];
                    fault.at_ms = nearest(fault.at_ms, grain);
                    fault.for_ms = nearest(fault.for_ms, grain.min(100)).max(FAULT_MS_MIN);
                })
            });
            let changed = rounded.into_iter().filter(|plan| plan.schedule != self.best.plan.schedule).collect();
            self.first_that_fails(changed)?;
        }
        Ok(())
    }
}
