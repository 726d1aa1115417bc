//! cache-coherent: what a cache in between may show is bounded: a read begun well after a change was acknowledged shows that change
//! or a later one, and nothing that nobody has written.

use std::{collections::BTreeMap, time::Duration};

use archgen_spec::topology::Topology;

use super::Report;
use crate::history::History;

/// The slowest answer that may be kept comes in within the patience of people's devices, milliseconds.
const PATIENCE_MS: u64 = 8_000;

/// The longest time for which a gateway of this topology serves an answer again (`micro_cache`), milliseconds.
pub(crate) fn kept_ms_max(topology: &Topology) -> u64 {
    let routes = topology.gateway.iter().flat_map(|gateway| &gateway.routes);
    routes.filter_map(|route| route.micro_cache).max().map_or(0, |kept| kept.as_millis() as u64)
}

pub(super) fn check(history: &History) -> Report {
    // For so long a reader may be shown what was replaced.
    let stale_at_most = Duration::from_millis(history.kept_ms_max + PATIENCE_MS);
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
        let due = changes.iter().filter(|c| c.done.is_some_and(|done| done + stale_at_most < look.invoked));
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
