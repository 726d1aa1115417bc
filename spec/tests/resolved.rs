//! The resolved form of a spec is a spec: it passes the check and means the same as what it was resolved from.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use archgen_spec::diagnostic::human;
use archgen_spec::{Loaded, ReadError, load, resolved};

fn examples(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path)).unwrap()
}

fn loaded(folder: &str, text: String, environment: Option<&str>) -> Loaded {
    let read = |relative: &str| Ok::<_, ReadError>(examples(&format!("{folder}/{relative}")));
    load("topology.yaml", text, environment, &read, &|_| None)
}

/// Resolves a spec, reads what it resolves to, and compares.
fn check(folder: &str, environment: Option<&str>) {
    let first = loaded(folder, examples(&format!("{folder}/topology.yaml")), environment);
    let whole = resolved(&first);
    let meant = format!("{:#?}", first.topology.as_ref().unwrap());
    for text in [whole.yaml(false), whole.yaml(true), format!("{:#}\n", whole.json())] {
        let again = loaded(folder, text.clone(), None);
        let said = human(&again.diagnostics, &again.sources, false);
        assert!(again.diagnostics.is_empty(), "{folder} {environment:?}:\n{said}\n{text}");
        let other = format!("{:#?}", again.topology.unwrap());
        let differing = meant.lines().zip(other.lines()).find(|(a, b)| a != b);
        assert!(meant == other, "{folder} {environment:?}: {differing:?}\n{text}");
    }
}

#[test]
fn the_resolved_form_of_every_example_is_a_spec_that_means_the_same() {
    for environment in [None, Some("dev"), Some("sim"), Some("prod")] {
        check("slack", environment);
    }
    check("minimal", None);
}
