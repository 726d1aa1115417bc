//! `archgen fix`: applies the edits that are certain to the spec and its overlay.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use archgen_spec::{Mended, ReadError, diagnostic::human};

use crate::{
    arguments::FixArguments,
    exit::{self, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Mends, says what it did, and writes what changed.
pub fn run(arguments: &FixArguments, printer: Printer) -> Outcome {
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (_, texts) = spec_files::load(&arguments.spec, environment)?;
    let folder = arguments.spec.parent().unwrap_or(Path::new("")).to_owned();
    // Paths as the loader names them: an overlay stands in the spec's folder.
    let shown = arguments.spec.display().to_string();
    let beside = |relative: &str| match shown.rfind(['/', '\\']) {
        Some(at) => format!("{}{relative}", &shown[..=at]),
        None => relative.to_owned(),
    };
    let mut before = BTreeMap::from([(shown.clone(), texts.text.clone())]);
    let mut places = BTreeMap::from([(shown.clone(), arguments.spec.clone())]);
    for (relative, text) in &texts.overlays {
        before.insert(beside(relative), text.clone());
        places.insert(beside(relative), folder.join(relative));
    }
    let mended: Mended = archgen_spec::mend(before.clone(), &|now| {
        let read = |relative: &str| now.get(&beside(relative)).cloned().ok_or(ReadError::Missing);
        let text = now.get(&shown).cloned().unwrap_or_default();
        archgen_spec::load(&shown, text, arguments.environment.as_deref(), &read, &spec_files::variable)
    });
    for applied in &mended.applied {
        let verb = if arguments.dry_run { "would fix" } else { "fixed" };
        printer.data(&format!("{verb} {}  {}  {}\n", applied.code, applied.place, applied.title));
    }
    for (path, text) in mended.texts.iter().filter(|(path, text)| before.get(*path) != Some(text)) {
        if arguments.dry_run {
            printer.data(&difference(path, &before[path], text));
        } else {
            spec_files::replace(&places[path], text).with_context(|| format!("cannot write `{path}`"))?;
        }
    }
    let left = human(&mended.loaded.diagnostics, &mended.loaded.sources, printer.color_notes());
    match (mended.applied.is_empty(), left.is_empty()) {
        (true, true) => printer.note("nothing to fix"),
        (true, false) => printer.note(&format!("{left}\nnone of these has a certain fix")),
        (false, _) if !left.is_empty() => printer.note(&left),
        (false, _) => {}
    }
    Ok(if mended.loaded.topology.is_some() { exit::OK } else { exit::WRONG })
}

/// The changed lines of one file, numbered, without context: a fix changes few lines and moves none of the others far.
fn difference(path: &str, before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let mut text = format!("--- {path}\n+++ {path}\n");
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        // The nearest pair of equal lines ends the change.
        let far = (old.len() - i) + (new.len() - j);
        let end = (1..=far).find_map(|sum| {
            (0..=sum)
                .map(|a| (a, sum - a))
                .find(|(a, b)| matches!((old.get(i + a), new.get(j + b)), (Some(x), Some(y)) if x == y))
        });
        let (removed, added) = end.unwrap_or((old.len() - i, new.len() - j));
        text.push_str(&format!("@@ -{},{removed} +{},{added} @@\n", i + 1, j + 1));
        for (sign, lines) in [('-', &old[i..i + removed]), ('+', &new[j..j + added])] {
            for line in lines {
                text.push_str(&format!("{sign}{}\n", line.trim_end_matches(['\r', '\n'])));
            }
        }
        (i, j) = (i + removed, j + added);
    }
    text
}
