//! `archgen check`: every error of every spec given.

use std::time::{Duration, Instant};

use archgen_spec::{
    Loaded,
    diagnostic::{human_of_all, json_of_all},
};

use crate::{
    arguments::{CheckArguments, ReportFormat},
    exit::{self, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Loads each spec and prints all problems together.
pub fn run(arguments: &CheckArguments, printer: Printer) -> Outcome {
    let began = now();
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let mut checked: Vec<Loaded> = Vec::with_capacity(arguments.specs.len());
    for path in &arguments.specs {
        checked.push(spec_files::load(path, environment)?.0);
    }
    let took = began.elapsed();
    let reports: Vec<_> = checked.iter().map(|l| (l.diagnostics.as_slice(), &l.sources)).collect();
    match arguments.format {
        ReportFormat::Json => printer.data(&format!("{}\n", json_of_all(&reports))),
        ReportFormat::Human => printer.note(&closing(&checked, &human_of_all(&reports, printer.color_notes()), took)),
    }
    Ok(if checked.iter().all(|l| l.topology.is_some()) { exit::OK } else { exit::WRONG })
}

/// The problems, or a line that says there are none.
fn closing(checked: &[Loaded], problems: &str, took: Duration) -> String {
    if !problems.is_empty() {
        return problems.to_owned();
    }
    let what = match checked {
        [one] => one.topology.as_ref().map_or_else(String::new, |t| {
            format!(
                "{}: {} services, {} stores, {} hosts: ",
                t.name,
                t.services.len(),
                t.stores.len(),
                t.instances().len()
            )
        }),
        several => format!("{} specs: ", several.len()),
    };
    format!("{what}no problems ({:.1} ms)", took.as_secs_f64() * 1_000.0)
}

#[expect(clippy::disallowed_methods, reason = "the time a command took is the machine's, and no host is involved")]
fn now() -> Instant {
    Instant::now()
}
