//! shard-owner-unique: ownership is fenced: along a channel's order the epoch never falls, so that nothing of a deposed owner
//! was accepted after its successor began.

use super::Report;
use crate::history::History;

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    for (channel, finals) in &history.finals {
        report.checked += finals.len();
        for pair in finals.windows(2) {
            report.count("an owner was replaced", usize::from(pair[0].epoch < pair[1].epoch));
            if pair[0].epoch > pair[1].epoch {
                report.breaches.push(format!(
                    "channel {channel}: seq {} is of epoch {}, and seq {} after it of epoch {}",
                    pair[0].seq, pair[0].epoch, pair[1].seq, pair[1].epoch
                ));
            }
        }
    }
    report
}
