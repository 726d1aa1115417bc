//! What a run and a set of runs concluded.

use archgen_spec::topology::Topology;
use serde::{Deserialize, Serialize};

use crate::{
    engine::EngineKind,
    faults::Scheduled,
    history::{History, Outcome},
    invariants::{self, Finding},
    plan::Plan,
    promises,
    world::{Crossing, World},
};

/// Share of sends that must be acknowledged by the end for a run to prove anything.
const ACKED_SHARE_MIN: f64 = 0.8;

/// Conclusion of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every promise held over enough operations.
    Green,
    /// A promise was broken, or a host ended by itself.
    Red,
    /// Too few operations to prove anything.
    Vacuous,
}

impl Verdict {
    /// In a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Red => "red",
            Self::Vacuous => "vacuous",
        }
    }
}

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Engine.
    pub engine: EngineKind,
    /// Seed.
    pub seed: u64,
    /// Conclusion.
    pub verdict: Verdict,
    /// Digest of everything that crossed the network, of the faults and of the history.
    pub digest: String,
    /// Sends that were acknowledged.
    pub operations: usize,
    /// Sends begun.
    pub sends: usize,
    /// What each checker found.
    pub findings: Vec<Finding>,
    /// Why it is vacuous, or what went wrong beside promises.
    pub remarks: Vec<String>,
    /// The faults that were applied, in words.
    pub faults: Vec<String>,
    /// The same, as data.
    pub schedule: Vec<Scheduled>,
    /// Simulated time, milliseconds.
    pub simulated_ms: u64,
    /// Segments by sender and receiver, where the engine counts them.
    pub traffic: Vec<(String, String, u64)>,
}

impl Run {
    /// A run of this plan that gave no result.
    pub fn without_result(plan: &Plan, why: String) -> Self {
        Self {
            engine: plan.engine,
            seed: plan.seed,
            verdict: Verdict::Red,
            digest: String::new(),
            operations: 0,
            sends: 0,
            findings: Vec::new(),
            remarks: vec![why],
            faults: plan.schedule.iter().map(ToString::to_string).collect(),
            schedule: plan.schedule.clone(),
            simulated_ms: 0,
            traffic: Vec::new(),
        }
    }

    /// The promises that were broken, by name.
    pub fn broken(&self) -> Vec<&str> {
        self.findings.iter().filter(|f| !f.breaches.is_empty()).map(|f| f.invariant.as_str()).collect()
    }
}

/// Concludes a run from what its clients saw and from what went wrong beside promises.
pub(crate) fn judge(
    topology: &Topology,
    plan: &Plan,
    world: &World,
    history: &History,
    mut remarks: Vec<String>,
    applied: Vec<Scheduled>,
    simulated_ms: u64,
) -> Run {
    let acked = history.sends.values().filter(|s| matches!(s.outcome, Outcome::Ok { .. })).count();
    let findings = invariants::check(history);
    let broken = findings.iter().any(|f| !f.breaches.is_empty());
    let failed = !history.host_failures.is_empty() || !remarks.is_empty();
    remarks.extend(history.host_failures.iter().map(|f| format!("host ended by itself: {f}")));
    remarks
        .extend(history.unread.iter().map(|(c, why)| format!("the final history of channel {c} was not read: {why}")));
    let enough = (ACKED_SHARE_MIN * history.sends.len() as f64).ceil() as usize;
    let declared = |f: &Finding| invariants::is_declared(&f.invariant, &topology.simulation.invariants);
    let unchecked: Vec<&Finding> = findings.iter().filter(|f| declared(f) && f.checked == 0).collect();
    let idle = plan.rebalance && !history.moves.contains_key("keep");
    if idle {
        remarks.push("no move came to its end: nothing is said about any".to_owned());
    }
    let vacuous = idle || acked == 0 || acked < enough || !history.unread.is_empty() || !unchecked.is_empty();
    if vacuous && acked < enough.max(1) {
        let sends = history.sends.len();
        remarks.push(format!("{acked} of {sends} sends were acknowledged; fewer than {enough} prove nothing"));
    }
    if broken {
        let cannot = |why| format!("the spec does not promise it: {why}");
        remarks.extend(promises::not_promised(topology).into_iter().map(cannot));
    }
    remarks.extend(unchecked.iter().map(|f| format!("{} checked nothing", f.invariant)));
    let verdict = match (broken || failed, vacuous) {
        (true, _) => Verdict::Red,
        (false, true) => Verdict::Vacuous,
        (false, false) => Verdict::Green,
    };
    world.trace.record(Crossing::Read, "history", "", &serde_json::to_vec(history).unwrap_or_default());
    Run {
        engine: plan.engine,
        seed: plan.seed,
        verdict,
        digest: world.trace.digest().0,
        operations: acked,
        sends: history.sends.len(),
        findings,
        remarks,
        faults: applied.iter().map(ToString::to_string).collect(),
        schedule: applied,
        simulated_ms,
        traffic: Vec::new(),
    }
}

/// A set of runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Runs, by seed.
    pub runs: Vec<Run>,
    /// Runs that were repeated to see that they are the same.
    pub repeated: usize,
}

impl Summary {
    /// Number of runs of this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.runs.iter().filter(|r| r.verdict == verdict).count()
    }

    /// Seeds on which engines came to different verdicts, with those runs.
    pub fn disagreements(&self) -> Vec<Vec<&Run>> {
        // The runs of one plan stand together, one for each engine.
        let mut plans: Vec<Vec<&Run>> = Vec::new();
        for run in &self.runs {
            match plans.last_mut() {
                Some(plan) if plan[0].seed == run.seed && plan.iter().all(|r| r.engine != run.engine) => plan.push(run),
                _ => plans.push(vec![run]),
            }
        }
        plans.retain(|plan| plan.iter().any(|run| run.verdict != plan[0].verdict));
        plans
    }

    /// Whether every run is green.
    pub fn is_green(&self) -> bool {
        self.count(Verdict::Green) == self.runs.len()
    }
}
