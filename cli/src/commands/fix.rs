//! `archgen fix`: applies the edits that are certain to the spec and its overlay.

use archgen_spec::{Mended, diagnostic::human};

use super::rewriting::Files;
use crate::{
    arguments::FixArguments,
    exit::{self, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Mends, says what it did, and writes what changed.
pub fn run(arguments: &FixArguments, printer: Printer) -> Outcome {
    let environment = arguments.environment.as_deref();
    let (_, texts) = spec_files::load(&arguments.spec, Environment::Exactly(environment))?;
    let files = Files::new(&arguments.spec, texts);
    let mended: Mended = archgen_spec::mend(files.texts.clone(), &|now| files.load(now, environment));
    files.finish(&mended.texts, &mended.applied, ("fixed", "would fix"), arguments.dry_run, printer)?;
    let left = human(&mended.loaded.diagnostics, &mended.loaded.sources, printer.color_notes());
    match (mended.applied.is_empty(), left.is_empty()) {
        (true, true) => printer.note("nothing to fix"),
        (true, false) => printer.note(&format!("{left}\nnone of these has a certain fix")),
        (false, _) if !left.is_empty() => printer.note(&left),
        (false, _) => {}
    }
    Ok(if mended.loaded.topology.is_some() { exit::OK } else { exit::WRONG })
}
