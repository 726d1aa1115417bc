//! The corpus: `examples/broken` and `tests/corpus`, held against `tests/golden`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use archgen_spec::diagnostic::{human, json};
use archgen_spec::units::Date;
use archgen_spec::{Loaded, ReadError, codes, load_on};

/// Fewest specs of the corpus.
const SPECS_MIN: usize = 150;
/// Codes that need more than one small file: a file of more than eight megabytes.
const ELSEWHERE: [&str; 1] = ["AG003"];

pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every bad spec with the name of its golden file.
pub(crate) fn specs() -> Vec<(String, PathBuf)> {
    let folders = [("examples/broken", "broken"), ("examples/broken/overlays", "overlay"), ("tests/corpus", "corpus")];
    let mut all = Vec::new();
    for (folder, prefix) in folders {
        for entry in fs::read_dir(project().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "yaml") {
                all.push((format!("{prefix}-{}", path.file_stem().unwrap().to_str().unwrap()), path));
            }
        }
    }
    all.sort();
    all
}

fn loaded(path: &Path) -> Loaded {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let environment = text.lines().next().and_then(|l| l.strip_prefix("# environment: ")).map(str::to_owned);
    let folder = path.parent().unwrap();
    let read = |relative: &str| fs::read_to_string(folder.join(relative)).map_err(|_| ReadError::Missing);
    load_on(Date::of_unix_days(20_781), name, text, environment.as_deref(), &read, &|_| None)
}

fn golden(loaded: &Loaded) -> String {
    let machine: serde_json::Value = serde_json::from_str(&json(&loaded.diagnostics, &loaded.sources)).unwrap();
    let machine = serde_json::to_string_pretty(&machine).unwrap();
    format!("{}\n{machine}\n", human(&loaded.diagnostics, &loaded.sources, false))
}

#[test]
fn every_bad_spec_is_answered_as_before() {
    let folder = project().join("tests/golden/diagnostics");
    let bless = std::env::var_os("ARCHGEN_BLESS").is_some();
    let specs = specs();
    assert!(specs.len() >= SPECS_MIN, "only {} bad specs", specs.len());
    let mut differing = Vec::new();
    let mut expected = BTreeSet::new();
    if bless {
        // What no spec stands behind any more goes.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
    }
    for (name, path) in &specs {
        let loaded = loaded(path);
        assert!(!loaded.diagnostics.is_empty(), "{name} is not bad");
        let file = folder.join(format!("{name}.txt"));
        let said = golden(&loaded);
        if bless {
            fs::write(&file, &said).unwrap();
        } else if fs::read_to_string(&file).ok().as_deref() != Some(said.as_str()) {
            differing.push(format!("{name}:\n{said}"));
        }
        expected.insert(format!("{name}.txt"));
    }
    let present: BTreeSet<String> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(
        differing.is_empty() && present == expected,
        "{} answers differ from tests/golden/diagnostics; if they are right, run\n  \
         ARCHGEN_BLESS=1 cargo test -p archgen-tests --test diagnostics\n\n{}",
        differing.len(),
        differing.join("\n")
    );
    println!("{} bad specs, each with its whole human and JSON output", specs.len());
}

#[test]
fn every_code_is_in_the_corpus() {
    let shown: BTreeSet<String> =
        specs().iter().flat_map(|(_, path)| loaded(path).diagnostics).map(|d| d.code.to_string()).collect();
    let all: BTreeSet<String> = codes().iter().map(|e| e.code.to_string()).collect();
    let missing: Vec<&String> = all.difference(&shown).collect();
    assert_eq!(missing, ELSEWHERE, "codes without a spec that shows them");
    assert!(all.len() >= 60, "{} codes", all.len());
}
