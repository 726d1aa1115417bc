//! What the faults of many runs have touched: every edge over which hosts spoke, under each kind of fault, alone and while another
//! fault was there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    faults::{HOST_KINDS, LINK_KINDS, Scheduled},
    verdict::{Run, Summary},
};

/// Things never hit that are named.
const NAMED_MAX: usize = 6;

/// Whether another fault was there at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Alone,
    During,
}

/// Where, what, and in which phase.
type Cell = (String, &'static str, Phase);

/// The share of cells that were hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    hit: usize,
    all: usize,
    /// (where, what) hit in no phase.
    never: Vec<String>,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = 100.0 * self.hit as f64 / self.all.max(1) as f64;
        write!(f, "  {percent:.0} % of {} places × faults × phases were hit", self.all)?;
        if self.never.is_empty() {
            return Ok(());
        }
        let named = self.never.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        write!(f, "; never: {named}")?;
        match self.never.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Coverage of these runs; `None` where no engine counted the traffic.
pub fn coverage(summary: &Summary) -> Option<Coverage> {
    let traffic = || summary.runs.iter().flat_map(|run| &run.traffic);
    let mut places: BTreeMap<String, &[&'static str]> = BTreeMap::new();
    for (from, to, segments) in traffic() {
        if *segments > 0 && from != to {
            places.insert(edge(from, to), LINK_KINDS);
            for host in [from, to].into_iter().filter(|host| !is_person(host)) {
                places.insert(component(host).to_owned(), HOST_KINDS);
            }
        }
    }
    if places.is_empty() {
        return None;
    }
    let hit: BTreeSet<Cell> = summary.runs.iter().flat_map(cells).collect();
    let mut coverage = Coverage { hit: 0, all: 0, never: Vec::new() };
    for (place, kinds) in &places {
        for kind in *kinds {
            let phases = [Phase::Alone, Phase::During].map(|phase| hit.contains(&(place.clone(), *kind, phase)));
            coverage.all += phases.len();
            coverage.hit += phases.iter().filter(|hit| **hit).count();
            if phases == [false, false] {
                coverage.never.push(format!("{kind} on {place}"));
            }
        }
    }
    Some(coverage)
}

fn cells(run: &Run) -> Vec<Cell> {
    let overlaps = |a: &Scheduled, b: &Scheduled| a.at_ms < b.at_ms + b.for_ms && b.at_ms < a.at_ms + a.for_ms;
    let cell = |(index, fault): (usize, &Scheduled)| {
        let others = run.schedule.iter().enumerate().filter(|(other, _)| *other != index);
        let phase = if others.into_iter().any(|(_, o)| overlaps(fault, o)) { Phase::During } else { Phase::Alone };
        let place = match fault.action.hosts()[..] {
            [host] => component(host).to_owned(),
            [a, b, ..] => edge(a, b),
            [] => String::new(),
        };
        (place, fault.action.kind(), phase)
    };
    run.schedule.iter().enumerate().map(cell).collect()
}

fn is_person(host: &str) -> bool {
    host.starts_with("person-") || host.starts_with("guest-")
}

/// A host's name without its number.
fn component(host: &str) -> &str {
    if is_person(host) {
        return "people";
    }
    host.rsplit_once('-').map_or(host, |(component, _)| component)
}

fn edge(a: &str, b: &str) -> String {
    let (a, b) = (component(a), component(b));
    if a <= b { format!("{a}–{b}") } else { format!("{b}–{a}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::EngineKind, faults::Action, plan::Plan};

    #[test]
    fn it_counts_places_faults_and_phases() {
        let fault = |at_ms, action| Scheduled { at_ms, for_ms: 100, action };
        let cut = || Action::Partition { a: "chat-1".to_owned(), b: "messaging-2".to_owned() };
        let plan = Plan {
            rebalance: false,
            engine: EngineKind::Event,
            seed: 1,
            people: 1,
            sends: 1,
            duration_ms: 1_000,
            settle_ms: 1,
            schedule: vec![fault(0, cut()), fault(500, cut()), fault(550, Action::Exit { host: "chat-1".to_owned() })],
        };
        let mut run = Run::without_result(&plan, String::new());
        run.traffic = vec![("messaging-1".to_owned(), "chat-1".to_owned(), 9), ("a-1".to_owned(), "b-1".to_owned(), 0)];
        let coverage = coverage(&Summary { runs: vec![run], repeated: 0 }).unwrap();
        assert_eq!(coverage.all, 2 * (LINK_KINDS.len() + 2 * HOST_KINDS.len()));
        // The cut alone and during the exit, and the exit during the cut.
        assert_eq!(coverage.hit, 3);
        assert!(coverage.never.contains(&"loss on chat–messaging".to_owned()), "{:?}", coverage.never);
        assert!(!coverage.never.contains(&"exit on chat".to_owned()));
    }
}
