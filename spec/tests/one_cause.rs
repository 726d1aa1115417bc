//! One root cause is said once: a key of the reference spec that is dropped, misspelt or given a value that cannot be read makes few
//! reports, however many places refer to what it declares.

use std::ops::Range;

use archgen_spec::diagnostic::{Diagnostic, Severity};
use archgen_spec::source::{FileId, Node, Value, parse};
use archgen_spec::{Loaded, ReadError, load};

const SLACK: &str = include_str!("../../examples/slack/topology.yaml");
/// The most errors that one edit may make.
const ERRORS_MAX: usize = 3;

fn loaded(text: &str) -> Loaded {
    load("topology.yaml", text.to_owned(), None, &|_| Err(ReadError::Missing), &|_| None)
}

fn without(range: Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &SLACK[..range.start], &SLACK[range.end..])
}

/// Every single edit of every key: what it is, and the text with it.
fn edits(node: &Node, flow: bool, all: &mut Vec<(String, String)>) {
    if let Value::Sequence(items) = &node.value {
        items.iter().for_each(|item| edits(item, flow, all));
    }
    let entries = node.entries();
    let flow = flow || SLACK[node.span.start..].starts_with('{');
    for (index, entry) in entries.iter().enumerate() {
        let (key, value) = (&entry.key, &entry.value);
        let line = SLACK[..key.span.start].matches('\n').count() + 1;
        let (start, end) = (key.span.start, value.span.end);
        let whole = match (flow, entries.get(index + 1), index.checked_sub(1)) {
            (false, ..) => {
                let begin = SLACK[..start].rfind('\n').map_or(0, |i| i + 1);
                begin..SLACK[end..].find('\n').map_or(SLACK.len(), |i| end + i + 1)
            }
            (true, Some(next), _) => start..next.key.span.start,
            (true, None, Some(before)) => entries[before].value.span.end..end,
            (true, None, None) => start..end,
        };
        let name = &key.text;
        all.push((format!("drop `{name}` at {line}"), without(whole, "")));
        let middle = start + name.chars().take(name.len() / 2).map(char::len_utf8).sum::<usize>();
        all.push((format!("misspell `{name}` at {line}"), without(middle..middle, "q")));
        let retyped: &[&str] = match value.value {
            Value::Scalar { .. } => &["[a, b]"],
            _ => &["7", "[a, b]", "{ a: 1 }"],
        };
        for new in retyped {
            all.push((format!("`{name}: {new}` at {line}"), without(key.span.end..end, &format!(": {new}"))));
        }
        edits(value, flow, all);
    }
}

fn said(text: &str) -> Vec<String> {
    let loaded = loaded(text);
    let place = |d: &Diagnostic| loaded.sources.position(d.primary.file, d.primary.start).line;
    let one = |d: &Diagnostic| format!("{} {} {} +{}", place(d), d.code, d.message, d.related.len());
    loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).map(one).collect()
}

#[test]
fn a_section_that_is_missing_or_misspelt_is_the_only_report() {
    let begin = SLACK.find("\nservices:").unwrap() + 1;
    let end = SLACK.find("\nstores:").unwrap() + 1;
    // In a list of services and stores `user` may be the misspelt name of the store `users`.
    let wanted = ["24 AG030 there is no service `user` +19", "49 AG030 there is no service or store `user` +2"];
    assert_eq!(said(&without(begin..end, "")), wanted);
    assert_eq!(
        said(&SLACK.replacen("\nservices:", "\nservces:", 1)),
        ["54 AG010 unknown key `servces` in the spec +0"]
    );
    assert_eq!(said(&SLACK.replacen("\nzones:", "\nzonse:", 1)), ["6 AG010 unknown key `zonse` in the spec +0"]);
    assert_eq!(said(&SLACK.replacen("\nvars:", "\nvasr:", 1)), ["5 AG010 unknown key `vasr` in the spec +0"]);
}

#[test]
fn a_store_whose_kind_or_tables_cannot_be_read_is_the_only_report() {
    let kind = said(&SLACK.replacen("kind: postgres", "kind: progress", 1));
    assert_eq!(kind.len(), 1, "{kind:?}");
    let tables = said(&SLACK.replacen("    tables:\n      accounts", "    tabels:\n      accounts", 1));
    assert_eq!(tables, ["101 AG010 unknown key `tabels` in `stores.users` (a postgres store) +0"]);
}

#[test]
fn a_name_that_is_not_declared_is_reported_once_with_all_its_places_and_mended_at_all() {
    let text = SLACK.replacen("\n  notification:\n", "\n  notifications:\n    kind: notification\n", 1);
    let loaded = loaded(&text);
    let faults: Vec<&Diagnostic> = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let edits = &faults[0].fix.as_ref().unwrap().edits;
    assert_eq!(edits.len(), 3, "two routes and the realtime layer: {edits:?}");
}

#[test]
fn an_overlay_that_cannot_be_read_is_the_only_report() {
    for environment in ["dev", "sim", "prod", "mixed", "real"] {
        let read = |_: &str| Err(ReadError::Missing);
        let loaded = load("topology.yaml", SLACK.to_owned(), Some(environment), &read, &|_| None);
        let said: Vec<String> = loaded.diagnostics.iter().map(|d| d.code.to_string()).collect();
        assert_eq!(said, ["AG021"]);
    }
}

#[test]
fn one_cause_is_said_once() {
    let root = parse(FileId(0), SLACK, &mut Vec::new()).unwrap();
    let mut all = Vec::new();
    edits(&root, false, &mut all);
    let mut many = Vec::new();
    for (what, text) in &all {
        let loaded = loaded(text);
        let errors: Vec<&Diagnostic> = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        if errors.len() > ERRORS_MAX || loaded.diagnostics.len() > 2 * ERRORS_MAX {
            let said = loaded
                .diagnostics
                .iter()
                .map(|d| format!("\n    {} {} {}", loaded.sources.place(d.primary), d.code, d.message));
            many.push(format!("{what}: {} errors{}", errors.len(), said.collect::<String>()));
        }
    }
    println!("{} single edits make at most {ERRORS_MAX} errors each", all.len());
    assert!(many.is_empty(), "{} of {}:\n{}", many.len(), all.len(), many.join("\n"));
}
