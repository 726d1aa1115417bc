//! `archgen shards`: placement and balance of every store.

use anyhow::Context;

use crate::{
    arguments::{ReportFormat, ShardsArguments},
    exit::{self, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Prints the plan.
pub fn run(arguments: &ShardsArguments, printer: Printer) -> Outcome {
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (topology, _) = spec_files::topology(&arguments.spec, environment, printer)?;
    let plan = archgen_generator::plan(&topology);
    match arguments.format {
        ReportFormat::Human => printer.data(&archgen_generator::shards_table(&plan)),
        ReportFormat::Json => {
            printer.data(&(serde_json::to_string_pretty(&plan).context("the plan has no text")? + "\n"));
        }
    }
    Ok(exit::OK)
}
