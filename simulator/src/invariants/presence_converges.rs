//! presence-converges: once everything has healed, whoever has a device connected is online for all.

use super::Report;
use crate::history::History;

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    for (person, is_online) in &history.presences {
        report.checked += 1;
        if !is_online {
            report.breaches.push(format!("{person} has a device connected, and is not online for others"));
        }
    }
    report
}
