//! Where black-box tests find the project, its built programs, and the fleet that is up. The tests themselves are under `tests/`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "the failing program's own words are worth seeing")]

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use serde_json::Value;

/// The project's root folder.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Runs the release binary that started the fleet; whether it succeeded, and its output.
pub fn archgen(arguments: &[&str]) -> (bool, String) {
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from);
    let mut command = Command::new(target.join("release/archgen"));
    // For a fleet whose power can be cut: what was synced is noted by a library in its processes.
    if let Some(library) = std::env::var_os("ARCHGEN_SYNCED_LIBRARY") {
        command.env("LD_PRELOAD", library);
    }
    let output = command
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("target/release/archgen runs: cargo build --release");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
    (output.status.success(), text)
}

/// A host of the fleet that is up.
#[derive(Debug, Clone)]
pub struct Running {
    /// Name: `messaging-1`.
    pub name: String,
    /// Kind of its component.
    pub kind: String,
    /// Where it listens.
    pub address: String,
    /// Its process; 0 while it has none.
    pub pid: u64,
}

fn all_hosts() -> Vec<Running> {
    let (up, text) = archgen(&["ps", "--format", "json"]);
    assert!(up, "a fleet is up: cargo run --release -- up examples/slack/topology.yaml --detach");
    let hosts: Value = serde_json::from_str(&text).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let host = |h: &Value| Running {
        name: text(&h["host"]),
        kind: text(&h["kind"]),
        address: text(&h["address"]),
        pid: h["pid"].as_u64().unwrap_or(0),
    };
    hosts.as_array().unwrap().iter().map(host).collect()
}

/// The fleet's hosts of one kind.
pub fn hosts(kind: &str) -> Vec<Running> {
    all_hosts().into_iter().filter(|host| host.kind == kind).collect()
}

/// The kinds of hosts that the fleet has.
pub fn kinds() -> BTreeSet<String> {
    all_hosts().into_iter().map(|host| host.kind).collect()
}
