//! Servers that `tests/backends/start` left running, and targets on them.

use std::{path::PathBuf, process::Command};

use archgen_backends::{Backend, Engine, Metrics, Schema, Target, Tls, connect};
use archgen_env::{Env, os, task::Shutdown};
use archgen_generator::{Options, generate};
use archgen_spec::topology::Topology;
use serde_json::Value;

/// The folder in which servers live.
pub fn folder(name: &str) -> PathBuf {
    let root = std::env::var("ARCHGEN_BACKENDS").unwrap_or_else(|_| {
        let uid = Command::new("id").arg("-u").output().expect("id");
        format!("/var/tmp/archgen-backends-{}", String::from_utf8_lossy(&uid.stdout).trim())
    });
    PathBuf::from(root).join(name)
}

/// What `start` wrote about a server.
pub fn description(name: &str) -> Value {
    let file = folder(name).join("server.json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{} ({error}): run `tests/backends/install {name}` and `tests/backends/start {name}`", file.display())
    });
    serde_json::from_str(&text).expect("JSON")
}

/// A server's addresses.
pub fn endpoints(name: &str) -> Vec<String> {
    let described = description(name);
    let list = described["endpoints"].as_array().expect("endpoints");
    list.iter().map(|e| e.as_str().expect("an address").to_owned()).collect()
}

pub fn env() -> Env {
    os::env("engines-1", &std::env::temp_dir(), Shutdown::default())
}

/// A namespace that no other run has.
pub fn namespace(env: &Env) -> String {
    format!("t{}", env.new_uuid().simple())
}

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

/// A target without credentials.
pub fn target(engine: Engine, endpoints: &[String], namespace: &str, schema: String) -> Target {
    Target {
        store: "store".to_owned(),
        engine,
        endpoints: endpoints.iter().map(|e| e.parse().expect("an address")).collect(),
        namespace: namespace.to_owned(),
        credentials: None,
        tls: Tls::Off,
        schema: Schema { text: schema },
        datasets: Vec::new(),
        shards: 8,
        consistency: ("quorum", "quorum"),
    }
}

pub fn open(env: &Env, target: Target) -> std::sync::Arc<dyn Backend> {
    connect(env, target, Metrics::default()).expect("a driver")
}
