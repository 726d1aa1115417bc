//! `archgen generate`: writes the artifacts. Which files may be written is the generator's decision; this reads and writes them,
//! each whole or not at all, and nothing where one would be refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{ErrorKind, Write},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use archgen_generator::{Artifacts, MANIFEST_PATH, Manifest, Options, Target, WritePlan, content_hash, reconcile};

use crate::{
    arguments::GenerateArguments,
    exit::{self, Failure, Outcome},
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
    let out = Out { root: arguments.out.clone() };
    let manifest = out.manifest()?;
    // What other targets wrote stays theirs: only the chosen ones are compared.
    let (chosen, others) = split(manifest, &new, &only, &topology)?;
    let on_disk = out.hashes(chosen.files.keys().chain(new.files.keys()))?;
    let plan = reconcile(Some(&chosen), &on_disk, &new, arguments.force);
    if !plan.refused.is_empty() {
        return Err(refusal(&plan, &arguments.out));
    }
    out.apply(&plan, &new)?;
    let mut whole = Manifest::of(&new);
    whole.files.extend(others);
    out.write_if_changed(MANIFEST_PATH, &whole.text())?;
    for path in &plan.write {
        printer.data(&format!("wrote    {}\n", out.root.join(path).display()));
    }
    for path in &plan.remove {
        printer.data(&format!("removed  {}\n", out.root.join(path).display()));
    }
    let count = (plan.write.len(), plan.unchanged.len(), plan.remove.len());
    printer.note(&format!("{} written, {} unchanged, {} removed", count.0, count.1, count.2));
    Ok(exit::OK)
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

/// The folder that is written to.
struct Out {
    root: PathBuf,
}

impl Out {
    /// The path of a file, which is inside the folder.
    fn path(&self, relative: &str) -> anyhow::Result<PathBuf> {
        let path = Path::new(relative);
        if !path.components().all(|c| matches!(c, Component::Normal(_))) || relative.is_empty() {
            bail!("`{relative}` is no path inside `{}`", self.root.display());
        }
        Ok(self.root.join(path))
    }

    fn read(&self, relative: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.path(relative)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    fn manifest(&self) -> Result<Option<Manifest>, Failure> {
        let Some(bytes) = self.read(MANIFEST_PATH)? else { return Ok(None) };
        let damaged = || {
            let path = self.root.join(MANIFEST_PATH);
            Failure::new(
                exit::REFUSED,
                format!("`{}` is no manifest of archgen's; nothing was written", path.display()),
            )
        };
        let text = String::from_utf8(bytes).map_err(|_| damaged())?;
        Manifest::parse(&text).ok_or_else(damaged).map(Some)
    }

    fn hashes<'a>(&self, paths: impl Iterator<Item = &'a String>) -> anyhow::Result<BTreeMap<String, String>> {
        let mut hashes = BTreeMap::new();
        for path in paths {
            if let Some(bytes) = self.read(path)? {
                hashes.insert(path.clone(), content_hash(&bytes));
            }
        }
        Ok(hashes)
    }

    fn apply(&self, plan: &WritePlan, new: &Artifacts) -> anyhow::Result<()> {
        for path in &plan.write {
            self.write(path, new.files.get(path).map_or("", String::as_str))?;
        }
        for relative in &plan.remove {
            let path = self.path(relative)?;
            fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            // Folders that only held our files go with them; one that holds more stays.
            for folder in path.ancestors().skip(1).take_while(|f| *f != self.root) {
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn write_if_changed(&self, relative: &str, text: &str) -> anyhow::Result<()> {
        if self.read(relative)?.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        self.write(relative, text)
    }

    /// Writes by way of a temporary file: a reader sees the old text or the new.
    fn write(&self, relative: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(relative)?;
        let write = || {
            let folder = path.parent().unwrap_or(&self.root);
            fs::create_dir_all(folder)?;
            let mut name = path.clone().into_os_string();
            name.push(format!(".{}.new", std::process::id()));
            let temporary = PathBuf::from(name);
            let written = fs::File::create(&temporary)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .and_then(|()| fs::rename(&temporary, &path));
            if written.is_err() {
                // Whatever there is of it is of no use.
                let _ = fs::remove_file(&temporary);
            }
            written
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))
    }
}
