//! search-converges: a hit is always a message that someone sent; once all is healed, a search finds exactly what the final
//! histories hold.

use std::collections::BTreeSet;

use super::Report;
use crate::history::History;

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    let written: BTreeSet<&str> =
        history.finals.values().flatten().filter(|message| !message.body.is_empty()).map(|m| m.id.as_str()).collect();
    if !history.unread.is_empty() {
        return report;
    }
    for search in &history.searches {
        report.checked += search.hits.len();
        if let Some(ghost) = search.hits.iter().find(|hit| !written.contains(hit.as_str())) {
            let at = search.done.as_secs_f64();
            report.breaches.push(format!("a search at {at:.2} s found message {ghost}, which is in no history"));
        }
    }
    report.count("a search under faults had hits", history.searches.iter().filter(|s| !s.hits.is_empty()).count());
    if let Some(found) = &history.found {
        report.checked += written.len();
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        for missing in written.difference(&found) {
            report.breaches.push(format!("message {missing} is in history and no search finds it"));
        }
    }
    report
}
