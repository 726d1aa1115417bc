//! How like each engine is to what its port promises: `docs/fidelity.md`, made of what the suites of this machine have found. Each suite
//! leaves a record below ARCHGEN_BACKENDS; the table is compared with the records, and written anew where it says something else.

use std::{collections::BTreeMap, fs, path::PathBuf};

use archgen_ports::conformance;

use crate::server::folder;

/// What no suite can find out: how an engine differs within what its port allows.
const DIFFERENCES: &[(&str, &str)] = &[
    ("Cassandra", "an append without an answer may surface until the next one to the channel, and not after"),
    (
        "Consul",
        "a session lives 10 s at least, and its lock is free a second after it; a silent instance is forgotten after a minute",
    ),
    ("Elasticsearch", "what was put is found after a refresh; run without its plugins, which are not published"),
    (
        "FerretDB",
        "stands in for MongoDB, whose server no registry has: it ignores majorities and validators, and of two conditional puts at once both may apply; what is sent for these is tested as commands",
    ),
    ("Kafka", "an event without an answer may be there twice; offsets begin at the oldest record that is kept"),
    ("OpenSearch", "what was put is found after a refresh"),
    ("PostgreSQL", "none"),
    ("Redis", "a server that is killed forgets"),
    ("Redis (cluster)", "a master that is killed loses what its replica had not yet"),
    ("versitygw", "stands in for S3: it keeps no lifecycle rules, so that `expire` is not obeyed"),
];

fn records() -> PathBuf {
    folder("fidelity")
}

/// Product and version as far as the table says it: fixes come with the machine.
fn short(version: &str) -> (String, String) {
    let cluster = if version.contains("cluster") { " (cluster)" } else { "" };
    let plain = version.replace(" (cluster)", "");
    let (product, number) = plain.rsplit_once(' ').unwrap_or((&plain, ""));
    let parts = if product == "PostgreSQL" { 1 } else { 2 };
    let number: Vec<&str> = number.split('.').take(parts).collect();
    (format!("{product}{cluster}"), number.join("."))
}

/// Records that an engine of this version kept every promise of a port; how many these were is known from the suite.
pub fn record(port: &str, version: &str) {
    let kept = conformance::promises_kept();
    assert!(kept > 0, "{port}: a suite was run on this thread");
    let (product, number) = short(version);
    fs::create_dir_all(records()).expect("a folder");
    let file = records().join(format!("{port} {product}.row"));
    fs::write(file, row(port, &product, &number, kept)).expect("a record");
}

fn row(port: &str, product: &str, number: &str, kept: u64) -> String {
    let found = DIFFERENCES.iter().find(|(name, _)| *name == product);
    let (_, differs) = found.unwrap_or_else(|| panic!("DIFFERENCES says nothing of {product}"));
    format!("| {port} | {product} | {number} | {kept} of {kept} | {differs} |")
}

const HEAD: &str = "# How like the engines are to their ports

Written by `make test-real` (and, for its engines, `make engines`) from what the conformance suites found; edits are written over. A suite
ends at the first promise that is broken, so that an engine that stands here keeps all of them. The embedded and the deterministic
engine are held to the same suites by `cargo test -p archgen-store`, and the suites' own port is where a real engine made it weaker.

| port | engine | version | promises kept | known differences |
|---|---|---|---|---|
";

/// Run after the suites, by itself.
#[test]
fn the_table_says_what_was_found() {
    let path = archgen_tests::root().join("docs/fidelity.md");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let key = |line: &str| line.split(" | ").take(2).collect::<Vec<_>>().join(" | ");
    let rows = |text: &str| -> BTreeMap<String, String> {
        let rows = text.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        rows.map(|line| (key(line), line.to_owned())).collect()
    };
    let before = rows(&text);
    let mut now = before.clone();
    let found = fs::read_dir(records()).expect("records: run the suites first");
    for record in found {
        let line = fs::read_to_string(record.expect("a record").path()).expect("a row");
        now.insert(key(&line), line);
    }
    assert!(!now.is_empty());
    let table = format!("{HEAD}{}\n", now.values().cloned().collect::<Vec<_>>().join("\n"));
    println!("{table}");
    if table != text {
        fs::write(&path, &table).expect("the table");
        panic!("docs/fidelity.md was stale and has been written again; commit it");
    }
}
