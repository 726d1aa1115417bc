//! Tidy tests: house rules that a machine can hold. They read the sources as text and `cargo metadata` as data.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod edges;
mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every file below these folders with this ending, sorted, as (path from the root, text).
fn files(folders: &[&str], ending: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "node_modules", ".git", ".venv", ".archgen"].contains(&name.as_str()) {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let root = archgen_tests::root();
    let mut found = Vec::new();
    for folder in folders {
        walk(&root.join(folder), ending, &mut found);
    }
    found.sort();
    found
        .into_iter()
        .map(|p| (p.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), fs::read_to_string(&p).unwrap()))
        .collect()
}

/// Every Rust source of the project.
fn sources() -> Vec<(String, String)> {
    let all = files(&["spec", "generator", "runtime", "simulator", "cli", "tests"], ".rs");
    assert!(all.len() > 100, "the walk finds the sources");
    all
}
