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
