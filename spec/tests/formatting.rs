//! The formatter over every spec there is: what it gives is its own canonical form, means the same and keeps every comment; and the
//! examples are kept formatted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use archgen_spec::formatting::{FormatError, formatted};
use archgen_spec::source::{FileId, parse};
use archgen_spec::{Loaded, ReadError, load};
use proptest::prelude::*;

const SLACK: &str = include_str!("../../examples/slack/topology.yaml");

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Every YAML file of some folders.
fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(project(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "yaml") {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}

fn loaded(text: &str, environment: Option<&str>) -> Loaded {
    let read = |relative: &str| {
        let text = fs::read_to_string(project("examples/slack").join(relative));
        text.map_err(|_| ReadError::Missing)
    };
    load("topology.yaml", text.to_owned(), environment, &read, &|_| None)
}

/// What is wrong, without places, which may have changed; a language version that is not the first key is put there.
fn said(text: &str) -> Vec<String> {
    let all = loaded(text, None).diagnostics.into_iter().map(|d| d.code.to_string());
    let mut all: Vec<String> = all.filter(|code| code != "AG018").collect();
    all.sort();
    all
}

/// The canonical form, held against what it must be.
fn sound(text: &str) -> Result<String, FormatError> {
    let once = formatted(text, "a.yaml")?;
    assert_eq!(formatted(&once, "a.yaml").unwrap(), once, "its own form differs:\n{text}");
    for line in once.lines() {
        assert_eq!(line.trim_end(), line, "blanks at the end of a line");
    }
    let remarks = |text: &str| text.matches("# ").count();
    assert_eq!(remarks(text), remarks(&once), "comments:\n{text}\n{once}");
    Ok(once)
}

#[test]
fn the_examples_are_kept_formatted() {
    for path in files(&["examples/slack", "examples/slack/env", "examples/minimal"]) {
        let text = fs::read_to_string(&path).unwrap();
        let canonical = formatted(&text, "a.yaml").unwrap();
        assert_eq!(text, canonical, "{}: run `archgen fmt` on it", path.display());
    }
}

#[test]
fn every_spec_of_the_corpus_keeps_its_meaning() {
    let (mut kept, mut faulty) = (0, 0);
    let folders =
        ["examples/broken", "examples/broken/overlays", "tests/corpus", "examples/slack", "examples/slack/env"];
    for path in files(&folders) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        match sound(&text) {
            Ok(canonical) => {
                assert_eq!(said(&text), said(&canonical), "{}:\n{canonical}", path.display());
                kept += 1;
            }
            Err(FormatError::Faulty(..)) => {
                let mut faults = Vec::new();
                parse(FileId(0), &text, &mut faults);
                assert!(!faults.is_empty(), "{}", path.display());
                faulty += 1;
            }
            Err(FormatError::Changed) => panic!("{} could not be kept", path.display()),
        }
    }
    println!("{kept} specs have a canonical form that means the same, {faulty} have faults of form");
    assert!(kept >= 120, "only {kept}");
}

#[test]
fn the_reference_spec_means_the_same_in_every_environment() {
    // Keys of sections backwards: the formatter puts them in order again.
    let (mut root, mut rest) = (Vec::new(), SLACK);
    while let Some(end) = rest[1..].find("\n\n") {
        root.push(&rest[..end + 1]);
        rest = &rest[end + 2..];
    }
    root.push(rest);
    root.reverse();
    let backwards = root.join("\n");
    let canonical = sound(&backwards).unwrap();
    assert!(canonical.find("archgen: v1") < canonical.find("services:"), "{canonical}");
    for environment in [None, Some("dev"), Some("sim"), Some("prod")] {
        let (before, after) = (loaded(SLACK, environment), loaded(&canonical, environment));
        assert!(before.topology.is_some());
        assert_eq!(format!("{:?}", before.topology), format!("{:?}", after.topology), "{environment:?}");
    }
}

/// What a person's hand does to the layout of a spec.
#[derive(Debug, Clone)]
enum Slip {
    Comment(usize, usize),
    Empty(usize),
    Behind(usize),
    Trailing(usize, usize),
    Wide(usize),
}

fn slip() -> impl Strategy<Value = Slip> {
    prop_oneof![
        (any::<usize>(), 0_usize..12).prop_map(|(at, indent)| Slip::Comment(at, indent)),
        any::<usize>().prop_map(Slip::Empty),
        any::<usize>().prop_map(Slip::Behind),
        (any::<usize>(), 1_usize..4).prop_map(|(at, blanks)| Slip::Trailing(at, blanks)),
        any::<usize>().prop_map(Slip::Wide),
    ]
}

fn slipped(text: &str, slips: &[Slip]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (number, slip) in slips.iter().enumerate() {
        let count = lines.len();
        match slip {
            Slip::Comment(at, indent) => lines.insert(at % count, format!("{}# remark {number}", " ".repeat(*indent))),
            Slip::Empty(at) => lines.insert(at % count, String::new()),
            Slip::Behind(at) if !lines[at % count].contains('#') => lines[at % count].push_str(" # behind"),
            Slip::Behind(_) => {}
            Slip::Trailing(at, blanks) => lines[at % count].push_str(&" ".repeat(*blanks)),
            // Blanks around the first comma or bracket of a line.
            Slip::Wide(at) => {
                let line = &mut lines[at % count];
                if let Some(comma) = line.find(", ").filter(|at| !line[..*at].contains('#')) {
                    line.replace_range(comma..comma + 2, "  ,   ");
                }
            }
        }
    }
    lines.join("\n") + "\n"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn slips_of_layout_are_put_right(slips in prop::collection::vec(slip(), 1..20)) {
        let text = slipped(SLACK, &slips);
        let canonical = sound(&text).unwrap();
        prop_assert_eq!(said(&canonical), Vec::<String>::new());
    }

    #[test]
    fn any_text_is_formatted_or_left_alone(text in "([a-c]{1,2}: ?|- |[ ]{1,4}|\n|[\\[\\]{},#\"'|>&!]| # x|1|!unset |\n[ ]{0,4}){0,40}") {
        if let Ok(canonical) = formatted(&text, "a.yaml") {
            prop_assert_eq!(formatted(&canonical, "a.yaml").unwrap(), canonical);
        }
    }
}
