//! What a run and a set of runs concluded.

use serde::{Deserialize, Serialize};

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

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
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
    /// Promise, operations checked, breaches.
    pub findings: Vec<(String, usize, Vec<String>)>,
    /// Why it is vacuous, or what went wrong beside promises.
    pub remarks: Vec<String>,
    /// The faults that were applied, in words.
    pub faults: Vec<String>,
    /// Simulated time, milliseconds.
    pub simulated_ms: u64,
}

/// A set of runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Runs, by seed.
    pub runs: Vec<Run>,
}

impl Summary {
    /// Number of runs of this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.runs.iter().filter(|r| r.verdict == verdict).count()
    }

    /// Whether every run is green.
    pub fn is_green(&self) -> bool {
        self.count(Verdict::Green) == self.runs.len()
    }
}
