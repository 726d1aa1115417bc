//! `archgen migrate-schema`: the steps from one schema to the next, or what stands in their way.

use anyhow::Context;
use archgen_generator::migrate::{Migration, migrate};

use crate::{
    arguments::{MigrateSchemaArguments, ReportFormat},
    exit::{self, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Prints the way.
pub fn run(arguments: &MigrateSchemaArguments, printer: Printer) -> Outcome {
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (old, _) = spec_files::topology(&arguments.old, environment, printer)?;
    let (new, _) = spec_files::topology(&arguments.new, environment, printer)?;
    let migration = migrate(&old, &new, arguments.lose_data);
    match arguments.format {
        ReportFormat::Human => printer.data(&human(&migration)),
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&migration).context("a migration has a JSON form")?;
            printer.data(&format!("{text}\n"));
        }
    }
    Ok(if migration.refusals.is_empty() { exit::OK } else { exit::WRONG })
}

fn human(migration: &Migration) -> String {
    let mut text = String::new();
    for refusal in &migration.refusals {
        let way = if refusal.loses_data { " (--lose-data does it)" } else { "" };
        text.push_str(&format!("-- refused: {}: {}{way}\n", refusal.path, refusal.reason));
    }
    for step in &migration.steps {
        text.push_str(&format!("-- {}: {}\n{}\n", step.store, step.reason, step.statement));
    }
    if text.is_empty() {
        text.push_str("-- the schemas are the same\n");
    }
    text
}
