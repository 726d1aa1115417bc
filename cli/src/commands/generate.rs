//! `archgen generate`: writes the artifacts. Which files may be written is the generator's decision; this reads and writes them,
//! each whole or not at all, and nothing where one would be refused.

use std::{collections::BTreeMap, path::Path};

use archgen_generator::{Manifest, Target, WritePlan, reconcile};

use crate::{
    arguments::GenerateArguments,
    artifacts::{Made, make},
    exit::{self, Failure, Outcome},
    out_folder::{WritableFolder, while_reading},
    printer::Printer,
};

/// Refused files that are named; the rest are counted.
const REFUSED_SHOWN_MAX: usize = 20;

/// Generates and writes.
pub fn run(arguments: &GenerateArguments, printer: Printer) -> Outcome {
    let only = targets(&arguments.only)?;
    let out = WritableFolder::at(&arguments.out);
    let environment = arguments.environment.as_deref();
    let (made, there) = while_reading(
        || make(&arguments.spec, environment, only.clone(), Some(&out.folder), printer),
        || {
            // What other targets wrote stays theirs: only the chosen ones are compared.
            let (chosen, others) = split(out.folder.manifest()?, &only);
            let hashes = out.folder.hashes(chosen.files.keys())?;
            Ok::<_, Failure>((chosen, others, hashes))
        },
    );
    let Made { new, .. } = made?;
    let (chosen, others, mut on_disk) = there?;
    let mut whole = Manifest::of(&new);
    on_disk.extend(out.folder.hashes(new.files.keys().filter(|path| !chosen.files.contains_key(*path)))?);
    let plan = reconcile(Some(&chosen), &on_disk, &whole, arguments.force);
    if !plan.refused.is_empty() {
        return Err(refusal(&plan, &arguments.out));
    }
    if arguments.dry_run {
        return Ok(dry(&plan, &arguments.out, printer));
    }
    whole.files.extend(others);
    out.apply(&plan, &new.files, &whole.text())?;
    printer.data(&listed("wrote   ", &plan.write, &arguments.out));
    printer.data(&listed("removed ", &plan.remove, &arguments.out));
    let count = (plan.write.len(), plan.unchanged.len(), plan.remove.len());
    printer.note(&format!("{} written, {} unchanged, {} removed", count.0, count.1, count.2));
    Ok(exit::OK)
}

/// What would be done.
fn dry(plan: &WritePlan, out: &Path, printer: Printer) -> u8 {
    printer.data(&listed("would write ", &plan.write, out));
    printer.data(&listed("would remove", &plan.remove, out));
    exit::OK
}

/// A line for each path.
fn listed(word: &str, paths: &[String], out: &Path) -> String {
    paths.iter().map(|path| format!("{word} {}\n", out.join(path).display())).collect()
}

fn targets(names: &[String]) -> Result<Vec<Target>, Failure> {
    let known = || Target::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    names
        .iter()
        .map(|name| {
            Target::named(name.trim()).ok_or_else(|| {
                let usage = "Usage: archgen generate SPEC --out DIR --only TARGET,TARGET";
                Failure::new(exit::USAGE, format!("there is no target `{name}`; targets: {}\n\n{usage}", known()))
            })
        })
        .collect()
}

/// The manifest of the chosen targets, and the entries that belong to the others.
fn split(manifest: Option<Manifest>, only: &[Target]) -> (Manifest, BTreeMap<String, String>) {
    let manifest = manifest.unwrap_or_default();
    let is_chosen = |path: &str| only.is_empty() || Target::of(path).is_some_and(|t| only.contains(&t));
    let (chosen, others) = manifest.files.into_iter().partition(|(path, _)| is_chosen(path));
    (Manifest { files: chosen, ..Manifest::default() }, others)
}

fn refusal(plan: &WritePlan, out: &Path) -> Failure {
    let shown = plan.refused.iter().take(REFUSED_SHOWN_MAX);
    let mut text: String = shown.map(|p| format!("\n  {}", out.join(p).display())).collect();
    if plan.refused.len() > REFUSED_SHOWN_MAX {
        text.push_str(&format!("\n  and {} more", plan.refused.len() - REFUSED_SHOWN_MAX));
    }
    let message = format!(
        "these files are not archgen's, or were changed since; nothing was written (`--force` overwrites them):{text}"
    );
    Failure::new(exit::REFUSED, message)
}
