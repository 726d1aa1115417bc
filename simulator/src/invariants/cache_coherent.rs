//! cache-coherent: what a cache in between may show is bounded: a read begun well after a change was acknowledged shows that change
//! or a later one, and nothing that nobody has written.

use std::{collections::BTreeMap, time::Duration};

use super::Report;
use crate::history::History;

/// A reader may be shown what was replaced for the time that the gateway keeps an answer (the spec's `micro_cache`, 1 s in the
/// reference spec), begun when the slowest answer that may be kept came in.
const STALE_AT_MOST: Duration = Duration::from_millis(1_000 + 8_000);

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    let mut changes: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for change in &history.renamings {
        changes.entry(&change.person).or_default().push(change);
    }
    for look in &history.profiles {
        let Some(changes) = changes.get(look.of.as_str()) else { continue };
        report.checked += 1;
        let begun = changes.iter().filter(|c| c.invoked < look.done).map(|c| c.version).max().unwrap_or(0);
        if look.version > begun {
            report.breaches.push(format!(
                "{} was shown version {} of {}'s name at {:.2} s, which was not written yet",
                look.person,
                look.version,
                look.of,
                look.done.as_secs_f64()
            ));
        }
        let due = changes.iter().filter(|c| c.done.is_some_and(|done| done + STALE_AT_MOST < look.invoked));
        let Some(due) = due.max_by_key(|c| c.version) else { continue };
        report.count("a look came long enough after a change", 1);
        if look.version < due.version {
            report.breaches.push(format!(
                "{} changed their name to version {}, acknowledged at {:.2} s; {} was shown version {} at {:.2} s",
                look.of,
                due.version,
                due.done.unwrap_or_default().as_secs_f64(),
                look.person,
                look.version,
                look.done.as_secs_f64()
            ));
        }
    }
    report
}
