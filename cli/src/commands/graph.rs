//! `archgen graph`: the logical view as a diagram.

use anyhow::anyhow;
use archgen_generator::GraphFormat;

use crate::{
    arguments::{GraphArguments, Notation},
    exit::{self, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Prints the diagram.
pub fn run(arguments: &GraphArguments, printer: Printer) -> Outcome {
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (topology, _) = spec_files::topology(&arguments.spec, environment, printer)?;
    let format = match arguments.format {
        Notation::Mermaid => GraphFormat::Mermaid,
        Notation::Dot => GraphFormat::Dot,
    };
    printer.data(&archgen_generator::graph(&topology, format).map_err(|error| anyhow!(error))?);
    Ok(exit::OK)
}
