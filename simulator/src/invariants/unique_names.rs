//! unique-names: claims of one name are linearizable: one wins, and whoever claims after it has won is refused.

use std::collections::BTreeMap;

use super::{
    Report,
    linearizable::{Model, Timed, is_linearizable},
};
use crate::history::{Claim, Claimed, History};

struct Name;

impl Model for Name {
    type Operation = Claimed;
    type State = bool;

    fn initial() -> bool {
        false
    }

    fn step(taken: &bool, claimed: &Claimed) -> Option<bool> {
        match claimed {
            Claimed::Won => (!taken).then_some(true),
            Claimed::Refused => taken.then_some(true),
            // Whoever took it, it is taken now.
            Claimed::Unknown => Some(true),
        }
    }
}

pub(super) fn check(history: &History) -> Report {
    let mut by_name: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
    for claim in &history.claims {
        by_name.entry(&claim.name).or_default().push(claim);
    }
    let mut report = Report::default();
    for (name, claims) in by_name {
        let timed = |claim: &&Claim| Timed {
            operation: claim.claimed,
            invoked: claim.invoked,
            done: claim.done.filter(|_| claim.claimed != Claimed::Unknown),
        };
        let operations: Vec<Timed<Claimed>> = claims.iter().map(timed).collect();
        report.checked += claims.iter().filter(|claim| claim.claimed != Claimed::Unknown).count();
        report.count("a claim was refused", claims.iter().filter(|c| c.claimed == Claimed::Refused).count());
        if !is_linearizable::<Name>(&operations) {
            let told = claims.iter().map(|c| {
                let until = c.done.map_or_else(|| "never".to_owned(), |done| format!("{:.2} s", done.as_secs_f64()));
                format!("{} ({:.2} s to {until}) {}", c.person, c.invoked.as_secs_f64(), c.claimed.word())
            });
            report.breaches.push(format!("`{name}`: no order explains {}", told.collect::<Vec<_>>().join("; ")));
        }
    }
    report
}
