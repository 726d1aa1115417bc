//! The table of checkers, and what they report.

use std::collections::BTreeMap;

use archgen_spec::topology::Invariant;
use serde::{Deserialize, Serialize};

use super::{
    acked_not_lost, cache_coherent, exactly_once_effect, files_intact, liveness, notified, per_channel_order,
    presence_converges, rebalance_loses_nothing, registry_converges, revoked_means_out, search_converges,
    session_guarantees, shard_owner_unique, unique_names,
};
use crate::history::History;

/// Breaches reported per checker.
const BREACHES_MAX: usize = 5;

/// Result of one checker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The promise, by its name.
    pub invariant: String,
    /// Operations checked.
    pub checked: usize,
    /// Breaches, each with its witnesses in words.
    pub breaches: Vec<String>,
    /// How often what makes the check worth something happened.
    pub sometimes: BTreeMap<String, usize>,
}

/// What a checker found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) checked: usize,
    pub(super) breaches: Vec<String>,
    pub(super) sometimes: BTreeMap<&'static str, usize>,
}

impl Report {
    /// Counts something that should happen sometimes.
    pub(super) fn count(&mut self, what: &'static str, times: usize) {
        *self.sometimes.entry(what).or_default() += times;
    }
}

type Checker = fn(&History) -> Report;

/// Every checker, by the name of its promise. All of them judge every run; a run in which one that the spec declares checked
/// nothing is vacuous.
const CHECKERS: &[(&str, Checker)] = &[
    ("acked-not-lost", acked_not_lost::check),
    ("per-channel-order", per_channel_order::check),
    ("exactly-once-effect", exactly_once_effect::check),
    ("session-guarantees", session_guarantees::check),
    ("shard-owner-unique", shard_owner_unique::check),
    ("notified-at-least-once", notified::check),
    ("search-converges", search_converges::check),
    ("revoked-means-out", revoked_means_out::check),
    ("unique-names", unique_names::check),
    ("files-intact", files_intact::check),
    ("presence-converges", presence_converges::check),
    ("rebalance-loses-nothing", rebalance_loses_nothing::check),
    ("cache-coherent", cache_coherent::check),
    ("registry-converges", registry_converges::check),
    ("liveness", liveness::check),
];

/// The promises among these for which there is no checker yet: a run says nothing about them.
pub fn unchecked(invariants: &[Invariant]) -> Vec<&'static str> {
    let known = |wanted: Invariant| CHECKERS.iter().any(|(name, _)| *name == wanted.name());
    invariants.iter().filter(|i| !known(**i)).map(|i| i.name()).collect()
}

/// Whether the promise of this name is declared.
pub fn is_declared(name: &str, invariants: &[Invariant]) -> bool {
    invariants.iter().any(|invariant| invariant.name() == name)
}

/// Runs every checker.
pub fn check(history: &History) -> Vec<Finding> {
    let run = |(name, checker): &(&str, Checker)| {
        let mut report = checker(history);
        report.breaches.truncate(BREACHES_MAX);
        Finding {
            invariant: (*name).to_owned(),
            checked: report.checked,
            breaches: report.breaches,
            sometimes: report.sometimes.into_iter().map(|(what, times)| (what.to_owned(), times)).collect(),
        }
    };
    CHECKERS.iter().map(run).collect()
}
