//! registry-converges: once all is healed and the time to live of registrations has passed, every server of the registry lists of each
//! service exactly the instances that live.

use super::Report;
use crate::history::History;

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    for ((server, service), listing) in &history.listings {
        report.checked += listing.live.len();
        for missing in listing.live.difference(&listing.listed) {
            report.breaches.push(format!("{server} does not list {missing}, which lives and serves `{service}`"));
        }
        for dead in listing.listed.difference(&listing.live) {
            report.breaches.push(format!("{server} lists {dead} for `{service}`, which is not there"));
        }
    }
    report.count("a server listed a service", history.listings.values().filter(|l| !l.listed.is_empty()).count());
    report
}
