//! Kept runs: written where one is red, replayed, shrunk, and run first where they lie beside the spec.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use archgen_simulator::{
    Artifact, EngineKind, Plan, Repeat, Run, Verdict, page, run_plans, run_recorded, shrink as smaller, story,
};

use crate::{
    arguments::ReplayArguments,
    loading::{Spec, load},
    on_fleet,
    program::{Failure, complain, say},
    seeds::workers,
    shim::Shim,
};

/// Where red runs are kept, under the current folder.
const KEPT: &str = ".archgen/sim";
/// Where a spec keeps its regressions, beside it.
const CORPUS: &str = "sim";

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::Input(format!("cannot {what} `{}`: {error}", path.display()))
}

/// The plans kept beside the spec, by file name.
///
/// # Errors
/// One cannot be read.
pub fn corpus(spec: &Spec) -> Result<Vec<Plan>, Failure> {
    let folder = Path::new(&spec.path).parent().unwrap_or(Path::new("")).join(CORPUS);
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| read(path).map(|artifact| artifact.plan)).collect()
}

fn read(path: &Path) -> Result<Artifact, Failure> {
    let text = fs::read_to_string(path).map_err(|error| cannot("read", path, &error))?;
    Artifact::parse(&text).map_err(|error| Failure::Input(format!("cannot use `{}`: {error}", path.display())))
}

/// Refuses what is no artifact.
///
/// # Errors
/// It cannot be read, or is damaged or foreign.
pub fn checked(path: &Path) -> Result<(), Failure> {
    read(path).map(drop)
}

/// Keeps a run and says where.
///
/// # Errors
/// It cannot be written.
pub fn keep(spec: &Spec, plan: &Plan, run: &Run) -> Result<PathBuf, Failure> {
    let folder = Path::new(KEPT);
    fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
    let path = folder.join(format!("seed-{}.json", plan.seed));
    let mut artifact = Artifact::new(&spec.path, spec.environment.as_deref(), &spec.set, spec.hash.clone(), plan, run);
    artifact.commit = commit(&spec.path);
    fs::write(&path, artifact.text()).map_err(|error| cannot("write", &path, &error))?;
    Ok(path)
}

/// The commit of the checkout that the spec lies in, where there is one.
fn commit(spec: &str) -> Option<String> {
    let folder = Path::new(spec).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let output = Command::new("git").arg("-C").arg(folder).args(["rev-parse", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

struct Kept {
    artifact: Artifact,
    spec: Spec,
    /// Its plan, in the engine that was asked for.
    plan: Plan,
    run: Run,
}

/// Runs a kept plan again.
fn again(arguments: &ReplayArguments) -> Result<Kept, Failure> {
    let artifact = read(&arguments.artifact)?;
    let spec = load(Path::new(&artifact.spec), artifact.environment.as_deref(), &artifact.set)?;
    if spec.hash != artifact.spec_hash {
        complain(&format!("note: `{}` has changed since this run was kept; its digest may differ", spec.path));
    }
    let mut plan = artifact.plan.clone();
    if let Some(engine) = &arguments.engine {
        plan.engine = EngineKind::ALL.into_iter().find(|kind| kind.name() == engine).unwrap_or_default();
    }
    let summary = run_plans(&spec.topology, std::slice::from_ref(&plan), 1, &Shim, Repeat::Few, &mut |_| {})?;
    let missing = || Failure::Input("the run gave no result".to_owned());
    let run = summary.runs.into_iter().next().ok_or_else(missing)?;
    Ok(Kept { artifact, spec, plan, run })
}

/// `archgen sim replay`: `true` when the run is green.
///
/// # Errors
/// See [`Failure`].
pub fn replay(arguments: &ReplayArguments) -> Result<bool, Failure> {
    if arguments.on.fleet {
        let artifact = read(&arguments.artifact)?;
        let spec = load(Path::new(&artifact.spec), artifact.environment.as_deref(), &artifact.set)?;
        let symptom = artifact.symptom();
        return on_fleet::play(&spec, &artifact.plan, symptom.as_ref(), &arguments.on, arguments.html.as_deref());
    }
    let kept = again(arguments)?;
    let (run, artifact) = (&kept.run, &kept.artifact);
    let mut text = format!("seed {} in the {} engine is {}\n", run.seed, run.engine, run.verdict.word());
    story(&mut text, run);
    let same = if run.digest == artifact.digest {
        "the same as when it was kept".to_owned()
    } else {
        let then = artifact.commit.as_ref().map_or_else(String::new, |commit| format!(" at commit {commit}"));
        format!("{} when it was kept{then}, then {}", artifact.digest, artifact.verdict.word())
    };
    text.push_str(&format!("digest {}: {same}\n", run.digest));
    say(&text);
    if let Some(file) = &arguments.html {
        write_page(&kept.spec, &kept.plan, file)?;
    }
    Ok(run.verdict == Verdict::Green)
}

/// `archgen sim shrink`: `true` when the run is green, so that there is nothing to shrink.
///
/// # Errors
/// See [`Failure`].
pub fn shrink(arguments: &ReplayArguments) -> Result<bool, Failure> {
    let kept = again(arguments)?;
    let found = smaller(&kept.spec.topology, &kept.plan, &kept.run, workers(arguments.workers), &Shim, &mut |_| {})?;
    let Some(found) = found else {
        say("the run does not fail any more; there is nothing to shrink\n");
        return Ok(true);
    };
    let path = keep(&kept.spec, &found.plan, &found.run)?;
    let mut text = format!("{} of {} faults", found.plan.schedule.len(), kept.plan.schedule.len());
    text.push_str(&format!(
        ", {} people with {} sends each, in {} runs\n",
        found.plan.people, found.plan.sends, found.runs
    ));
    story(&mut text, &found.run);
    text.push_str(&format!("  kept: {}\n", path.display()));
    say(&text);
    if let Some(file) = &arguments.html {
        write_page(&kept.spec, &found.plan, file)?;
    }
    Ok(false)
}

/// Runs a plan once more and writes the page about it.
///
/// # Errors
/// See [`Failure`].
pub fn write_page(spec: &Spec, plan: &Plan, file: &Path) -> Result<(), Failure> {
    let run = run_recorded(&spec.topology, plan, &Shim)?;
    written(file, &page(&spec.topology, &spec.path, plan, &run))
}

/// Writes a page and says where.
///
/// # Errors
/// It cannot be written.
pub fn written(file: &Path, page: &str) -> Result<(), Failure> {
    fs::write(file, page).map_err(|error| cannot("write", file, &error))?;
    complain(&format!("page: {}", file.display()));
    Ok(())
}
