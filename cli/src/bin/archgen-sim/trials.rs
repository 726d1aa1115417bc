//! `--tests`: plays the scenarios that the spec's own tests describe.

use std::path::Path;

use archgen_simulator::{Tried, try_scenario};
use archgen_spec::topology::Trial;
use serde_json::json;

use crate::{
    arguments::{SimArguments, SimFormat},
    loading::load,
    program::{Failure, complain, say},
    seeds::workers,
    shim::Shim,
};

/// Plays every scenario under the seeds that were asked for; `true` when all go as expected.
///
/// # Errors
/// See [`Failure`]; a spec without scenarios is one.
pub fn run(arguments: &SimArguments) -> Result<bool, Failure> {
    let path = arguments.spec.as_deref().unwrap_or(Path::new(""));
    let spec = load(path, arguments.environment.as_deref(), &arguments.set)?;
    let seeds: Vec<u64> = match arguments.seed {
        Some(seed) => vec![seed],
        None => (arguments.from..arguments.from + arguments.seeds).collect(),
    };
    let mut results = Vec::new();
    for test in &spec.topology.tests {
        let Trial::Scenario { lose, lasts, expect } = &test.trial else { continue };
        let tried = try_scenario(&spec.topology, (lose, *lasts, expect), &seeds, workers(arguments.workers), &Shim)?;
        if arguments.format == SimFormat::Human {
            say(&told(&test.id, &tried));
        }
        results.push((test.id.as_str(), tried));
    }
    if results.is_empty() {
        return Err(Failure::Input(format!("`{}` has no tests with a scenario (`lose`, `expect`)", spec.path)));
    }
    let failed = results.iter().filter(|(_, tried)| tried.iter().any(|t| !t.failures.is_empty())).count();
    match arguments.format {
        SimFormat::Human => say(&format!("{} scenarios, {failed} failed\n", results.len())),
        SimFormat::Json => {
            let tests: Vec<_> = results.iter().map(|(id, runs)| json!({ "test": id, "runs": runs })).collect();
            say(&format!("{:#}\n", json!({ "tests": tests })));
        }
        SimFormat::Junit => {
            complain("note: scenarios have no JUnit form; use `--format json`");
        }
    }
    Ok(failed == 0)
}

/// A line of a scenario, and a line for each seed that went otherwise.
fn told(id: &str, tried: &[Tried]) -> String {
    let bad: Vec<&Tried> = tried.iter().filter(|t| !t.failures.is_empty()).collect();
    let wait = tried.iter().map(|t| t.longest_wait_ms).max().unwrap_or(0);
    let acknowledged: usize = tried.iter().map(|t| t.acknowledged).sum();
    let verdict = if bad.is_empty() { "as expected" } else { "FAILED" };
    let mut text = format!(
        "{id}: {verdict}; {} runs, {acknowledged} sends acknowledged, the longest wait {:.1} s\n",
        tried.len(),
        wait as f64 / 1_000.0
    );
    for run in bad {
        for failure in &run.failures {
            text.push_str(&format!("  seed {}: {failure}\n", run.seed));
        }
    }
    text
}
