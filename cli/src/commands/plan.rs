//! `archgen plan` and `archgen apply`: what a spec would change, and exactly that change done.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use archgen_generator::diff::{ChangeKind, Difference, Facts, difference_of_facts, facts};
use archgen_generator::{Artifacts, FACTS_PATH, Manifest, WritePlan, reconcile};
use serde::{Deserialize, Serialize};

use crate::{
    arguments::{ApplyArguments, PlanArguments, ReportFormat},
    artifacts::{Made, make},
    exit::{self, Failure, Outcome},
    out_folder::{OutFolder, WritableFolder, while_reading},
    printer::Printer,
    spec_files,
    state::{FleetFile, StateFolder},
};

/// Lines of facts that are printed; the rest are counted.
const CHANGES_SHOWN_MAX: usize = 200;
/// Version of the format of saved plans.
const VERSION: u32 = 1;

/// A plan as it is saved: what is to be written, and what it was made against.
#[derive(Debug, Serialize, Deserialize)]
struct SavedPlan {
    version: u32,
    /// The folder, as it was given.
    out: String,
    difference: Difference,
    write: BTreeMap<String, String>,
    remove: Vec<String>,
    /// Hash of each file that is touched, as it was then; one that was not there is not in here.
    found: BTreeMap<String, String>,
    /// The manifest afterwards.
    manifest: String,
}

/// Shows what a spec would change.
pub fn plan(arguments: &PlanArguments, printer: Printer) -> Outcome {
    let (out, running_fleet) = against(arguments);
    let environment = arguments.environment.as_deref();
    let (made, there) = while_reading(
        || make(&arguments.spec, environment, Vec::new(), Some(&out), printer),
        || {
            let manifest = out.manifest()?;
            let hashes = out.hashes(manifest.iter().flat_map(|m| m.files.keys()))?;
            let remembered = if running_fleet { Facts::default() } else { remembered(&out)? };
            Ok::<_, Failure>((manifest, hashes, remembered))
        },
    );
    let Made { topology, new } = made?;
    let (manifest, mut on_disk, remembered) = there?;
    let foreign = new.files.keys().filter(|path| !manifest.as_ref().is_some_and(|m| m.files.contains_key(*path)));
    on_disk.extend(out.hashes(foreign)?);
    let files = reconcile(manifest.as_ref(), &on_disk, &Manifest::of(&new), false);
    let before = if running_fleet { running(&arguments.state.folder)? } else { remembered };
    let difference = difference_of_facts(&before, &facts(&topology));
    match arguments.format {
        ReportFormat::Human => printer.data(&human(&difference, &files)),
        ReportFormat::Json => {
            let value = serde_json::json!({"version": VERSION, "difference": difference, "files": {
                "write": files.write, "remove": files.remove, "refused": files.refused, "unchanged": files.unchanged.len(),
            }});
            printer.data(&format!("{value:#}\n"));
        }
    }
    if let Some(path) = &arguments.output {
        save(path, out.root(), &difference, &files, &new, &on_disk)?;
    }
    let nothing =
        difference.is_empty() && files.write.is_empty() && files.remove.is_empty() && files.refused.is_empty();
    Ok(if nothing { exit::OK } else { exit::CHANGES })
}

/// The folder whose files are compared, and whether the system is the running fleet's.
fn against(arguments: &PlanArguments) -> (OutFolder, bool) {
    const RUNNING: &str = "running";
    const FOLDER: &str = "generated";
    // A folder of that name is written `./running`.
    let running = arguments.against.as_ref().is_some_and(|a| a.as_os_str() == RUNNING);
    let folder = arguments.against.as_deref().filter(|_| !running).unwrap_or(Path::new(FOLDER));
    (OutFolder::at(folder), running || arguments.running)
}

/// The facts that a generated folder remembers; none where nothing was generated.
fn remembered(out: &OutFolder) -> anyhow::Result<Facts> {
    let Some(bytes) = out.read(FACTS_PATH)? else { return Ok(Facts::default()) };
    serde_json::from_slice(&bytes).with_context(|| format!("`{FACTS_PATH}` is damaged"))
}

/// The facts of the fleet that `archgen up` runs.
fn running(folder: &Path) -> Result<Facts, Failure> {
    let state = StateFolder::at(folder)?;
    let fleet = FleetFile::load(&state)
        .map_err(|error| Failure { status: exit::UNAVAILABLE, error: error.context("no fleet is up") })?;
    Ok(facts(&spec_files::reload(&fleet.spec)?))
}

fn save(
    path: &Path,
    out: &Path,
    difference: &Difference,
    files: &WritePlan,
    new: &Artifacts,
    on_disk: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    if !files.refused.is_empty() {
        let refused = files.refused.join("\n  ");
        let message =
            format!("there is no plan to save, for these files are not archgen's or were changed:\n  {refused}");
        return Err(Failure::new(exit::REFUSED, message));
    }
    let text = |path: &String| (path.clone(), new.files.get(path).cloned().unwrap_or_default());
    let touched = files.write.iter().chain(&files.remove);
    let saved = SavedPlan {
        version: VERSION,
        out: out.display().to_string(),
        difference: difference.clone(),
        write: files.write.iter().map(text).collect(),
        remove: files.remove.clone(),
        found: touched.filter_map(|p| Some((p.clone(), on_disk.get(p)?.clone()))).collect(),
        manifest: Manifest::of(new).text(),
    };
    let text = serde_json::to_string(&saved).context("a plan has a JSON form")?;
    Ok(fs::write(path, text + "\n").with_context(|| format!("cannot write `{}`", path.display()))?)
}

/// Does a saved plan, or nothing where a file that it touches is not as it was.
pub fn apply(arguments: &ApplyArguments, printer: Printer) -> Outcome {
    let text = fs::read_to_string(&arguments.plan);
    let text = text.with_context(|| format!("cannot read `{}`", arguments.plan.display()))?;
    let damaged =
        || Failure::new(exit::USAGE, format!("`{}` is no plan of `archgen plan -o`", arguments.plan.display()));
    let saved: SavedPlan = serde_json::from_str(&text).map_err(|_| damaged())?;
    if saved.version != VERSION {
        return Err(damaged());
    }
    let out = WritableFolder::at(Path::new(&saved.out));
    let now = out.folder.hashes(saved.write.keys().chain(&saved.remove))?;
    let moved: Vec<&String> =
        saved.write.keys().chain(&saved.remove).filter(|p| now.get(*p) != saved.found.get(*p)).collect();
    if !moved.is_empty() {
        let names: String = moved.iter().map(|p| format!("\n  {p}")).collect();
        let message = format!("these files are not as they were when the plan was made; nothing was written:{names}");
        return Err(Failure::new(exit::REFUSED, message));
    }
    let plan = WritePlan { write: saved.write.keys().cloned().collect(), remove: saved.remove, ..WritePlan::default() };
    out.apply(&plan, &saved.write, &saved.manifest)?;
    printer.note(&format!("{} written, {} removed in {}", plan.write.len(), plan.remove.len(), saved.out));
    Ok(exit::OK)
}

fn human(difference: &Difference, files: &WritePlan) -> String {
    let mut text = String::new();
    for change in difference.changes.iter().take(CHANGES_SHOWN_MAX) {
        let (from, to) = (change.from.as_deref().unwrap_or(""), change.to.as_deref().unwrap_or(""));
        text.push_str(&match change.kind {
            ChangeKind::Added => format!("+ {}: {to}\n", change.path),
            ChangeKind::Removed => format!("- {}: {from}\n", change.path),
            ChangeKind::Changed => format!("~ {}: {from} -> {to}\n", change.path),
        });
    }
    if difference.changes.len() > CHANGES_SHOWN_MAX {
        text.push_str(&format!("  and {} facts more\n", difference.changes.len() - CHANGES_SHOWN_MAX));
    }
    let lists = [("start", &difference.starts), ("stop", &difference.stops), ("start again", &difference.restarts)];
    for (word, names) in lists {
        if !names.is_empty() {
            text.push_str(&format!("{word} {}: {}\n", names.len(), short(names)));
        }
    }
    for (store, count) in &difference.slot_moves {
        text.push_str(&format!("move {count} copies of slots of {store}\n"));
    }
    for (figure, (from, to)) in &difference.capacity {
        let shown = |text: &String| if text.is_empty() { "nothing".to_owned() } else { text.clone() };
        text.push_str(&format!("{figure}: {} instead of {}\n", shown(to), shown(from)));
    }
    if let Some((from, to)) = &difference.revocation {
        text.push_str(&format!("a revocation is felt at the gateway after {to} instead of {from}\n"));
    }
    for (word, paths) in [("write", &files.write), ("remove", &files.remove), ("refused", &files.refused)] {
        if !paths.is_empty() {
            text.push_str(&format!("{word} {} files: {}\n", paths.len(), short(paths)));
        }
    }
    if text.is_empty() {
        text.push_str("nothing changes\n");
    }
    text
}

/// The first of a list.
fn short(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let first = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{first}, …") } else { first }
}
