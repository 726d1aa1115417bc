//! Writes what `make verify` judges: the artifacts of the committed examples and of random valid systems, a folder each.
//!
//! `corpus DIR COUNT` makes `DIR/slack`, `DIR/minimal`, … and `DIR/random-001` up to COUNT; each has its spec beside it.

#[path = "../tests/random/mod.rs"]
mod random;

use std::fs;
use std::io::Error;
use std::path::Path;

use archgen_generator::{Options, generate};
use archgen_spec::topology::Topology;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Committed examples by spec and environment.
const EXAMPLES: [(&str, Option<&str>); 4] =
    [("slack", None), ("slack", Some("dev")), ("slack", Some("prod")), ("minimal", None)];

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count] = arguments.as_slice() else { return Err(Error::other("usage: corpus DIR COUNT")) };
    let count: usize = count.parse().map_err(Error::other)?;
    let folder = Path::new(folder);
    for (name, environment) in EXAMPLES {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        let text = fs::read_to_string(from.join("topology.yaml"))?;
        let read =
            |path: &str| fs::read_to_string(from.join(path)).map_err(|e| archgen_spec::ReadError::Other(e.to_string()));
        let loaded = archgen_spec::load("topology.yaml", text.clone(), environment, &read, &|_| Some("set".to_owned()));
        let topology = loaded.topology.ok_or_else(|| Error::other(format!("{:?}", loaded.diagnostics)))?;
        let name = environment.map_or_else(|| name.to_owned(), |e| format!("{name}-{e}"));
        write(&folder.join(name), &text, &topology)?;
    }
    let many = many();
    write(&folder.join("many"), &many, &random::load(&many).map_err(Error::other)?)?;
    // A seed of its own, so that a finding is there again the next time.
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let strategy = random::topologies();
    for number in 1..=count {
        let tree = strategy.new_tree(&mut runner).map_err(|e| Error::other(e.to_string()))?;
        let (text, topology) = tree.current();
        write(&folder.join(format!("random-{number:03}")), &text, &topology)?;
    }
    Ok(())
}

/// Two hundred services over six stores: what pictures must still be legible for.
fn many() -> String {
    let mut text = String::from(
        "archgen: v1\nname: many\nzones: [a, b, c]\nregistry: { kind: consul, datacenter: eu, servers: 3 }\n",
    );
    text.push_str("gateway:\n  kind: nginx\n  version: \"1.28\"\n  host: many.example.test\n  port: 8080\n  routes:\n");
    for i in 0..12 {
        text.push_str(&format!("    /api/{i}: {{ to: team-{i}, auth: none }}\n"));
    }
    text.push_str("services:\n");
    for i in 0..200 {
        // A few levels: callers before what they call.
        let mut needs: Vec<String> =
            [i + 12 + i % 5, i * 2 + 13].iter().filter(|n| **n < 200).map(|n| format!("team-{n}")).collect();
        needs.push(format!("store-{}", i % 6));
        text.push_str(&format!(
            "  team-{i}: {{ kind: process, command: [./team], port: {}, replicas: {}, needs: [{}] }}\n",
            3_000 + i,
            i % 4 + 1,
            needs.join(", ")
        ));
    }
    text.push_str("stores:\n");
    for i in 0..6 {
        let kind = if i % 2 == 0 {
            "postgres, version: \"15\", tables: { t: { key: id uuid } }"
        } else {
            "redis, version: \"7.2\", nodes: 6, replicas: 1"
        };
        text.push_str(&format!("  store-{i}: {{ kind: {kind} }}\n"));
    }
    text
}

fn write(folder: &Path, spec: &str, topology: &Topology) -> Result<(), Error> {
    let artifacts = generate(topology, &Options::default()).map_err(Error::other)?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("topology.yaml"), spec)?;
    for (path, text) in &artifacts.files {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, text)?;
    }
    Ok(())
}
