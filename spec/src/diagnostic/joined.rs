//! One root cause is reported once: what the checks found at several places for one reason becomes one report with many places.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, Diagnostic};
use crate::source::Span;

/// Most places of one report; the rest are counted.
const PLACES_MAX: usize = 20;

/// Joins reports of one code and cause. The first place in the order of the files stays the primary one.
pub(crate) fn join(all: &mut Vec<Diagnostic>) {
    if all.iter().all(|d| d.cause.is_none()) {
        return;
    }
    all.sort_by_key(|d| (d.primary.file, d.primary.start, d.primary.end, d.code));
    let mut first: BTreeMap<(Code, String), usize> = BTreeMap::new();
    let mut seen: BTreeSet<(Code, Span)> = BTreeSet::new();
    let mut joined: Vec<Diagnostic> = Vec::with_capacity(all.len());
    let mut more: BTreeMap<usize, usize> = BTreeMap::new();
    for diagnostic in all.drain(..) {
        let Some(cause) = diagnostic.cause.clone() else {
            joined.push(diagnostic);
            continue;
        };
        // A profile is read wherever it is taken.
        let repeated = !seen.insert((diagnostic.code, diagnostic.primary));
        match first.get(&(diagnostic.code, cause.clone())) {
            Some(_) if repeated => {}
            Some(&index) => add(&mut joined[index], diagnostic, more.entry(index).or_default()),
            None => {
                first.insert((diagnostic.code, cause), joined.len());
                joined.push(diagnostic);
            }
        }
    }
    for (index, places) in more {
        if let Some((_, what)) = joined[index].related.last_mut().filter(|_| places > PLACES_MAX) {
            what.push_str(&format!("; and at {} more places", places - PLACES_MAX));
        }
    }
    *all = joined;
}

/// One more place of what has been reported.
fn add(report: &mut Diagnostic, other: Diagnostic, places: &mut usize) {
    *places += 1;
    if *places <= PLACES_MAX {
        let what = if other.message == report.message { "here, too".to_owned() } else { other.message };
        report.related.push((other.primary, what));
    }
    // A change is certain where it mends all of the places.
    report.fix = match (report.fix.take(), other.fix) {
        (Some(mut fix), Some(other)) if fix.title == other.title => {
            fix.edits.extend(other.edits);
            Some(fix)
        }
        _ => None,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Fix;
    use crate::source::FileId;

    fn at(start: usize, message: &str) -> Diagnostic {
        let span = Span { file: FileId(0), start, end: start + 1 };
        Diagnostic::error(Code(30), span, message).with_fix(Fix::replace(span, "user"))
    }

    #[test]
    fn one_cause_is_one_report_with_all_places() {
        let mut all =
            vec![at(9, "no service").with_cause("usr"), at(4, "other"), at(2, "no service").with_cause("usr")];
        all.push(at(5, "no component").with_cause("usr"));
        all.push(at(5, "no component").with_cause("usr"));
        join(&mut all);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].primary.start, 2);
        let related: Vec<_> = all[0].related.iter().map(|(span, what)| (span.start, what.as_str())).collect();
        assert_eq!(related, [(5, "no component"), (9, "here, too")]);
        assert_eq!(all[0].fix.as_ref().map(|f| f.edits.len()), Some(3));
    }

    #[test]
    fn the_places_that_are_not_shown_are_counted() {
        let mut all: Vec<Diagnostic> = (0..100).map(|start| at(start, "no service").with_cause("usr")).collect();
        all[70].fix = None;
        join(&mut all);
        assert_eq!((all.len(), all[0].related.len()), (1, PLACES_MAX));
        assert_eq!(all[0].related[PLACES_MAX - 1].1, "here, too; and at 79 more places");
        assert_eq!(all[0].fix, None, "a change that leaves one of the places is not certain");
    }
}
