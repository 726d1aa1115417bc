//! `archgen shards`: placement, balance and forecasts of every store; with a what-if question, the promises that still hold;
//! with two specs, the way from one to the other.

use std::path::Path;

use anyhow::Context;
use archgen_env::{os, task::Shutdown};
use archgen_generator::{Pace, Plan, Question, migration, migration_table, promises_table, shards_table, what_if};
use archgen_spec::topology::Topology;

use super::moves;
use crate::{
    arguments::{ReportFormat, ShardsArguments},
    exit::{self, Failure, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Prints the plan, or the answer to the question.
pub fn run(arguments: &ShardsArguments, printer: Printer) -> Outcome {
    if let Some(action) = &arguments.action {
        return moves::run(action, printer);
    }
    let environment = Environment::Exactly(arguments.environment.as_deref());
    if let (Some(from), Some(to)) = (&arguments.from, &arguments.to) {
        let old = spec_files::topology(from, environment, printer)?.0;
        let new = spec_files::topology(to, environment, printer)?.0;
        return way(arguments, &old, &new, printer);
    }
    let spec = arguments.spec.as_deref().context("there is no spec")?;
    let (topology, _) = spec_files::topology(spec, environment, printer)?;
    let plan = archgen_generator::plan(&topology);
    if !arguments.lose.is_empty() || arguments.load.is_some() || arguments.grow.is_some() {
        return answer(arguments, &topology, &plan, printer);
    }
    match arguments.format {
        ReportFormat::Human => printer.data(&shards_table(&plan, today())),
        ReportFormat::Json => {
            printer.data(&(serde_json::to_string_pretty(&plan).context("the plan has no text")? + "\n"));
        }
    }
    Ok(exit::OK)
}

/// The migration from one topology to another; status 1 where it cannot be done.
fn way(arguments: &ShardsArguments, old: &Topology, new: &Topology, printer: Printer) -> Outcome {
    let pace =
        Pace { transfers_per_node_max: arguments.concurrency.max(1), bytes_per_second_max: arguments.throttle.max(1) };
    let found = migration(old, new, pace);
    match arguments.format {
        ReportFormat::Human => printer.data(&migration_table(&found)),
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&found).context("the migration has no text")?;
            printer.data(&(text + "\n"));
        }
    }
    Ok(if found.refused.is_empty() { exit::OK } else { exit::WRONG })
}

/// Days since 1970, by the clock of this machine.
fn today() -> u64 {
    const DAY_MS: u64 = 86_400_000;
    os::env("shards", Path::new("."), Shutdown::default()).wall_ms() / DAY_MS
}

/// The promises in the case asked about; status 1 when one breaks.
fn answer(arguments: &ShardsArguments, topology: &Topology, plan: &Plan, printer: Printer) -> Outcome {
    let unknown: Vec<String> =
        arguments.lose.iter().filter(|lost| !lost.exists(topology)).map(|lost| format!("`{lost}`")).collect();
    if !unknown.is_empty() {
        let zones = topology.zones.join(", ");
        let message =
            format!("the spec has no {}; its zones: {zones}; nodes are named like `chat-3`", unknown.join(", "));
        return Err(Failure::new(exit::USAGE, message));
    }
    let question = Question {
        lost: arguments.lose.clone(),
        load: arguments.load.unwrap_or(1.0),
        grow_days: arguments.grow.unwrap_or(0),
    };
    let promises = what_if(topology, plan, &question);
    match arguments.format {
        ReportFormat::Human => printer.data(&promises_table(&promises)),
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&promises).context("the promises have no text")?;
            printer.data(&(text + "\n"));
        }
    }
    Ok(if promises.iter().all(|p| p.holds) { exit::OK } else { exit::WRONG })
}
