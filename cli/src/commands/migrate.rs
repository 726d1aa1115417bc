//! `archgen migrate`: moves a spec and all its overlays to the language of today.

use std::collections::BTreeMap;

use archgen_spec::diagnostic::human;

use super::rewriting::Files;
use crate::{
    arguments::MigrateArguments,
    exit::{self, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Moves, says what it did, and writes what changed.
pub fn run(arguments: &MigrateArguments, printer: Printer) -> Outcome {
    let (base, texts) = spec_files::load(&arguments.spec, Environment::Exactly(None))?;
    let mut files = Files::new(&arguments.spec, texts);
    for name in &base.environments {
        files.add(spec_files::load(&arguments.spec, Environment::Exactly(Some(name)))?.1.overlays);
    }
    let load = |now: &BTreeMap<String, String>, environment: Option<&str>| files.load(now, environment);
    let moved = archgen_spec::migrate(files.texts.clone(), &arguments.spec.display().to_string(), &load);
    files.finish(&moved.texts, &moved.applied, ("moved", "would move"), arguments.dry_run, printer)?;
    if moved.applied.is_empty() {
        printer.note("nothing to move: the spec is written in the language of today");
    }
    let left = human(&moved.loaded.diagnostics, &moved.loaded.sources, printer.color_notes());
    if !left.is_empty() {
        printer.note(&left);
    }
    Ok(if moved.loaded.topology.is_some() { exit::OK } else { exit::WRONG })
}
