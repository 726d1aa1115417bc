//! `archgen generate`: writes the artifacts. Which files may be written is the generator's decision; this reads and writes them,
//! each whole or not at all, and nothing where one would be refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::anyhow;
use archgen_generator::{Artifacts, MANIFEST_PATH, Manifest, Options, Target, WritePlan, reconcile};

use crate::{
    arguments::GenerateArguments,
    exit::{self, Failure, Outcome},
    out_folder::WritableFolder,
    printer::Printer,
    spec_files::{self, Environment},
};

/// Refused files that are named; the rest are counted.
const REFUSED_SHOWN_MAX: usize = 20;

/// Generates and writes.
pub fn run(arguments: &GenerateArguments, printer: Printer) -> Outcome {
    let only = targets(&arguments.only)?;
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (topology, _) = spec_files::topology(&arguments.spec, environment, printer)?;
    let options = Options { only: only.clone(), ..Options::default() };
    let new = archgen_generator::generate(&topology, &options).map_err(|error| anyhow!(error))?;
    let out = WritableFolder::at(&arguments.out);
    let manifest = out.folder.manifest()?;
    // What other targets wrote stays theirs: only the chosen ones are compared.
    let (chosen, others) = split(manifest, &new, &only, &topology)?;
    let on_disk = out.folder.hashes(chosen.files.keys().chain(new.files.keys()))?;
    let plan = reconcile(Some(&chosen), &on_disk, &new, arguments.force);
    if !plan.refused.is_empty() {
        return Err(refusal(&plan, &arguments.out));
    }
    if arguments.dry_run {
        return Ok(dry(&plan, &arguments.out, printer));
    }
    out.apply(&plan, &new.files)?;
    let mut whole = Manifest::of(&new);
    whole.files.extend(others);
    out.write_if_changed(MANIFEST_PATH, &whole.text())?;
    for path in &plan.write {
        printer.data(&format!("wrote    {}\n", arguments.out.join(path).display()));
    }
    for path in &plan.remove {
        printer.data(&format!("removed  {}\n", arguments.out.join(path).display()));
    }
    let count = (plan.write.len(), plan.unchanged.len(), plan.remove.len());
    printer.note(&format!("{} written, {} unchanged, {} removed", count.0, count.1, count.2));
    Ok(exit::OK)
}

/// What would be done.
fn dry(plan: &WritePlan, out: &Path, printer: Printer) -> u8 {
    for (word, paths) in [("would write ", &plan.write), ("would remove", &plan.remove)] {
        for path in paths {
            printer.data(&format!("{word} {}\n", out.join(path).display()));
        }
    }
    exit::OK
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

/// The manifest of the chosen targets, and the entries that belong to the others: those that a run with every other target
/// would write, or that lie beside them.
fn split(
    manifest: Option<Manifest>,
    new: &Artifacts,
    only: &[Target],
    topology: &archgen_spec::topology::Topology,
) -> anyhow::Result<(Manifest, BTreeMap<String, String>)> {
    let Some(manifest) = manifest else { return Ok((Manifest::default(), BTreeMap::new())) };
    if only.is_empty() {
        return Ok((manifest, BTreeMap::new()));
    }
    let place = |path: &str| path.split_once('/').map_or_else(|| path.to_owned(), |(folder, _)| folder.to_owned());
    let mut ours: BTreeSet<String> = new.files.keys().map(|p| place(p)).collect();
    for (_, target) in Target::ALL.iter().filter(|(_, t)| !only.contains(t)) {
        let options = Options { only: vec![*target], ..Options::default() };
        let theirs = archgen_generator::generate(topology, &options).map_err(|error| anyhow!(error))?;
        for path in theirs.files.keys() {
            ours.remove(&place(path));
        }
    }
    let (chosen, others) = manifest.files.into_iter().partition(|(path, _)| ours.contains(&place(path)));
    Ok((Manifest { files: chosen, ..Manifest::default() }, others))
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
