//! rebalance-loses-nothing: of what was acknowledged before, while and after data moved between nodes, nothing is missing from its
//! channel's final history, nothing is there twice, every log is dense, and both sides of each hand-over held the same.

use std::collections::BTreeSet;

use super::Report;
use crate::history::{History, Outcome};

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    if history.moves.is_empty() {
        return report;
    }
    report.breaches.extend(history.move_failures.iter().cloned());
    for (channel, finals) in &history.finals {
        let mut ids = BTreeSet::new();
        for message in finals {
            if !ids.insert(&message.client_msg_id) {
                report.breaches.push(format!("channel {channel} has `{}` twice", message.client_msg_id));
            }
        }
        let acked = history.sends.values().filter(|s| s.channel == *channel);
        for send in acked.filter(|s| matches!(s.outcome, Outcome::Ok { .. })) {
            report.checked += 1;
            if !ids.contains(&send.client_msg_id) {
                let key = &send.client_msg_id;
                report.breaches.push(format!("`{key}` was acknowledged in channel {channel}, and was lost on the way"));
            }
        }
    }
    for (phase, times) in &history.moves {
        let what = match phase.as_str() {
            "switch" => "units were handed over",
            "keep" => "a whole move was made",
            "clean-up" => "old copies were deleted",
            _ => continue,
        };
        report.count(what, *times);
    }
    report
}
