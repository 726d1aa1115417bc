//! Promises as checkers over the history. Each says how many operations it checked; one that checked too few has proved nothing.

mod acked_not_lost;
mod exactly_once_effect;
mod per_channel_order;
#[cfg(test)]
mod tests;

use archgen_spec::topology::Invariant;
use serde::Serialize;

use crate::history::History;

/// Result of one checker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The promise, by its name in the spec.
    pub invariant: String,
    /// Operations checked.
    pub checked: usize,
    /// Breaches, each with its witnesses in words. At most [`BREACHES_MAX`].
    pub breaches: Vec<String>,
}

/// Breaches reported per checker.
pub const BREACHES_MAX: usize = 5;

type Checker = fn(&History) -> (usize, Vec<String>);

/// The checkers that exist, by promise.
const CHECKERS: &[(Invariant, Checker)] = &[
    (Invariant::AckedNotLost, acked_not_lost::check),
    (Invariant::PerChannelOrder, per_channel_order::check),
    (Invariant::ExactlyOnceEffect, exactly_once_effect::check),
];

/// The promises among these for which there is no checker yet: a run says nothing about them.
pub fn unchecked(invariants: &[Invariant]) -> Vec<&'static str> {
    let known = |wanted: Invariant| CHECKERS.iter().any(|(invariant, _)| *invariant == wanted);
    invariants.iter().filter(|i| !known(**i)).map(|i| i.name()).collect()
}

/// Runs the checkers of these promises.
pub fn check(history: &History, invariants: &[Invariant]) -> Vec<Finding> {
    CHECKERS
        .iter()
        .filter(|(invariant, _)| invariants.contains(invariant))
        .map(|(invariant, checker)| {
            let (checked, mut breaches) = checker(history);
            breaches.truncate(BREACHES_MAX);
            Finding { invariant: invariant.name().to_owned(), checked, breaches }
        })
        .collect()
}
