//! Which crate may use which: the table in ARCHITECTURE.md against `cargo metadata`.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// The table's lines: `| crate | may use |`, between the two markers in ARCHITECTURE.md.
fn allowed() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(archgen_tests::root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("<!-- edges -->").expect("the marker before the edge table");
    let (table, _) = rest.split_once("<!-- /edges -->").expect("the marker after the edge table");
    table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let name = cells.next().unwrap().trim_matches('`').to_owned();
            let uses = cells.next().unwrap().split_whitespace().map(|u| u.trim_matches(['`', ',']).to_owned());
            (name, uses.filter(|u| !u.is_empty() && u != "—").collect())
        })
        .collect()
}

#[test]
fn edges_between_crates_are_the_table_in_architecture_md() {
    let allowed = allowed();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(archgen_tests::root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &str| match name {
        "archgen" => "cli".to_owned(),
        other => other.trim_start_matches("archgen-").to_owned(),
    };
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), allowed.len(), "every crate has a line in the table");
    for package in packages {
        let name = short(package["name"].as_str().unwrap());
        let uses = allowed.get(&name).unwrap_or_else(|| panic!("`{name}` has no line in the table"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            if dependency.starts_with("archgen") && name != "tests" {
                let used = short(dependency);
                assert!(uses.contains(&used), "`{name}` uses `{used}`: not in the edge table of ARCHITECTURE.md");
            }
        }
    }
}

#[test]
fn versions_are_in_the_workspace_only() {
    for (path, text) in crate::files(&["spec", "generator", "runtime", "simulator", "cli", "tests"], "Cargo.toml") {
        for rule in ["edition.workspace = true", "version.workspace = true", "publish.workspace = true"] {
            assert!(text.contains(rule), "{path}: {rule}");
        }
        assert!(text.contains("[lints]\nworkspace = true"), "{path}: inherits the lints");
        let dependencies = text.lines().filter(|l| l.contains("version = \"") || l.ends_with(" = \"*\""));
        assert_eq!(dependencies.collect::<Vec<_>>(), Vec::<&str>::new(), "{path}: versions belong in the workspace");
    }
}
