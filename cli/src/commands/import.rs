//! `archgen import`: a compose file becomes a spec; what has no place in one is reported.

use std::fs;

use anyhow::Context;

use crate::{
    arguments::ImportArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
};

/// Imports.
pub fn run(arguments: &ImportArguments, printer: Printer) -> Outcome {
    let shown = arguments.file.display();
    let text = fs::read_to_string(&arguments.file).with_context(|| format!("cannot read `{shown}`"))?;
    let made = archgen_generator::import::compose(&text).map_err(|error| {
        let failure = anyhow::Error::new(error).context(format!("`{shown}` cannot be imported"));
        Failure { status: exit::WRONG, error: failure }
    })?;
    printer.data(&made.spec);
    match &arguments.report {
        Some(path) => {
            let report = serde_json::to_string_pretty(&made.dropped).context("a list has a JSON form")?;
            fs::write(path, report + "\n").with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        None => {
            for dropped in &made.dropped {
                printer.note(&format!("{}: {}", dropped.path, dropped.reason));
            }
        }
    }
    printer.note(&format!("{} keys taken over, {} reported", made.taken, made.dropped.len()));
    Ok(exit::OK)
}
