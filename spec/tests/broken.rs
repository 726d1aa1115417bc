//! `examples/broken/`: each planted fault is reported, with its code, at its line; and nothing else is.
//!
//! A fault is marked on its line (`# error: AG010, AG012`, `# warning: AG052`), or, where a mark would mend it, in a
//! line of its own (`# expect: AG001 at 7`). `# environment: dev` loads the overlay, whose own marks count too.
#![expect(clippy::unwrap_used, reason = "a test whose example cannot be read must fail")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use archgen_spec::diagnostic::{Severity, human};
use archgen_spec::units::Date;
use archgen_spec::{Loaded, ReadError, codes, load_on};

/// File, line, severity, code.
type Mark = (String, usize, &'static str, String);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/broken")
}

fn samples() -> Vec<PathBuf> {
    let folders = [folder(), folder().join("overlays")];
    let files = folders.iter().flat_map(|f| std::fs::read_dir(f).unwrap()).map(|e| e.unwrap().path());
    let mut all: Vec<PathBuf> = files.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    all.sort();
    all
}

fn marks(file: &str, text: &str, into: &mut Vec<Mark>) {
    for (index, line) in text.lines().enumerate() {
        if let Some(expected) = line.strip_prefix("# expect: ") {
            let (code, at) = expected.split_once(" at ").unwrap();
            into.push((file.to_owned(), at.trim().parse().unwrap(), "error", code.to_owned()));
            continue;
        }
        for severity in ["error", "warning"] {
            if let Some((_, codes)) = line.split_once(&format!("# {severity}: ")) {
                let codes = codes.split(',').map(|c| c.trim().to_owned());
                into.extend(codes.map(|code| (file.to_owned(), index + 1, severity, code)));
            }
        }
    }
}

fn loaded(sample: &Path) -> (Loaded, Vec<Mark>) {
    let text = std::fs::read_to_string(sample).unwrap();
    let name = sample.file_name().unwrap().to_str().unwrap();
    let environment = text.lines().next().and_then(|l| l.strip_prefix("# environment: ")).map(str::to_owned);
    let planted = RefCell::new(Vec::new());
    marks(name, &text, &mut planted.borrow_mut());
    let folder = sample.parent().unwrap();
    let read = |relative: &str| {
        let text = std::fs::read_to_string(folder.join(relative)).map_err(|_| ReadError::Missing)?;
        marks(relative, &text, &mut planted.borrow_mut());
        Ok(text)
    };
    let loaded = load_on(Date::of_unix_days(20_781), name, text, environment.as_deref(), &read, &|_| None);
    (loaded, planted.into_inner())
}

#[test]
fn every_planted_fault_is_reported_at_its_place_and_nothing_else() {
    let mut wrong = String::new();
    for sample in samples() {
        let (loaded, mut planted) = loaded(&sample);
        let mut reported: Vec<Mark> = loaded
            .diagnostics
            .iter()
            .map(|d| {
                let at = loaded.sources.position(d.primary.file, d.primary.start);
                (loaded.sources.path(d.primary.file).to_owned(), at.line, d.severity.name(), d.code.to_string())
            })
            .collect();
        planted.sort();
        reported.sort();
        assert!(!planted.is_empty(), "{} plants nothing", sample.display());
        let errors = loaded.diagnostics.iter().any(|d| d.severity == Severity::Error);
        assert_eq!(loaded.topology.is_none(), errors, "{}", sample.display());
        if planted != reported {
            let missing: Vec<&Mark> = planted.iter().filter(|m| !reported.contains(m)).collect();
            let surplus: Vec<&Mark> = reported.iter().filter(|m| !planted.contains(m)).collect();
            let text = human(&loaded.diagnostics, &loaded.sources, false);
            wrong.push_str(&format!("{}\n missing {missing:?}\n surplus {surplus:?}\n{text}\n", sample.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_code_has_a_sample() {
    let mut seen = BTreeSet::new();
    for sample in samples() {
        seen.extend(loaded(&sample).1.into_iter().map(|(.., code)| code));
    }
    let all: BTreeSet<String> = codes().iter().map(|e| e.code.to_string()).collect();
    let missing: Vec<&String> = all.difference(&seen).collect();
    // AG003 needs a file of more than 16 MiB, which the hostile-input tests make.
    assert_eq!(missing, ["AG003"]);
    assert!(seen.is_subset(&all));
}

#[test]
fn every_message_is_a_fragment_with_a_place_and_no_secret() {
    for sample in samples() {
        let (loaded, _) = loaded(&sample);
        let shown = human(&loaded.diagnostics, &loaded.sources, false);
        assert!(!shown.contains("swordfish") && !shown.contains("AKIA"), "{shown}");
        let mut at_place: BTreeMap<_, usize> = BTreeMap::new();
        for diagnostic in &loaded.diagnostics {
            let message = &diagnostic.message;
            assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
            let first = message.chars().next().unwrap();
            assert!(!first.is_uppercase(), "{message}");
            *at_place.entry((diagnostic.primary, message.clone())).or_default() += 1;
        }
        assert!(at_place.values().all(|n| *n == 1), "{}: said twice: {at_place:?}", sample.display());
    }
}
