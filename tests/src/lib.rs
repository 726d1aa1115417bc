//! Where black-box tests find the project, its built programs, the engines' programs, and the fleet that is up; and how they wait. The tests
//! themselves are under `tests/`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "the failing program's own words are worth seeing")]

use std::{collections::BTreeSet, path::PathBuf, process::Command, time::Duration};

use archgen_env::net::Address;
use archgen_generator::{Options, generate};
use archgen_spec::topology::Topology;
use serde_json::Value;
use tokio::time::{Instant, sleep};

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

/// Where the fleet's hosts of one kind listen.
pub fn addresses(kind: &str) -> Vec<Address> {
    hosts(kind).into_iter().map(|host| host.address.parse().unwrap()).collect()
}

/// Looks until there is something, at most for this long.
pub async fn until<T>(patience: Duration, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The folder of an engine's programs, which `tests/backends/install` and `tests/plans/install` fill.
pub fn engine(name: &str) -> PathBuf {
    let root = std::env::var("ARCHGEN_BACKENDS").unwrap_or_else(|_| {
        let uid = Command::new("id").arg("-u").output().expect("id");
        format!("/var/tmp/archgen-backends-{}", String::from_utf8_lossy(&uid.stdout).trim())
    });
    PathBuf::from(root).join(name)
}

/// A spec's topology.
pub fn topology(text: &str) -> Topology {
    let read = |_: &str| Err(archgen_spec::ReadError::Other("one file".to_owned()));
    let loaded = archgen_spec::load("topology.yaml", text.to_owned(), None, &read, &|_| Some("set".to_owned()));
    loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// A generated file.
pub fn generated(topology: &Topology, path: &str) -> String {
    let artifacts = generate(topology, &Options::default()).expect("artifacts");
    artifacts.files.get(path).unwrap_or_else(|| panic!("no {path}: {:?}", artifacts.files.keys())).clone()
}
