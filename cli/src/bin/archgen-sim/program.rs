//! Reads the spec, runs the seeds in forked children under the shim, prints the report.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
};

use archgen_simulator::{EngineKind, Plan, Run, SeedError, Summary, Verdict, human, json, run_plans, unchecked};
use archgen_spec::{ReadError, topology::Topology};
use clap::{Parser, error::ErrorKind};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    arguments::{BOTH, SimArguments, SimFormat},
    shim::Shim,
};

/// Wrong use of the command line (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// The environment does not let us work (`EX_OSERR`).
const ENVIRONMENT: u8 = 71;
/// The overlay of a simulation.
const OVERLAY: &str = "sim";
/// Seeds between two looks for a red one under `--until-red`.
const BATCH_SEEDS: usize = 8;

#[derive(Parser)]
#[command(name = "archgen-sim", version)]
struct Program {
    #[command(flatten)]
    arguments: SimArguments,
}

/// The whole program.
pub fn run() -> ExitCode {
    let arguments = match Program::try_parse() {
        Ok(program) => program.arguments,
        Err(error) => {
            let usage = !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            return ExitCode::from(if usage { USAGE } else { 0 });
        }
    };
    pin_addresses();
    #[cfg(sabotage)]
    if let Some(bug) = &arguments.sabotage
        && !archgen_simulator::plant(bug)
    {
        complain(&format!("error: no bug is called `{bug}`"));
        return ExitCode::from(USAGE);
    }
    let Some(topology) = load(&arguments) else { return ExitCode::FAILURE };
    let unknown = unchecked(&topology.simulation.invariants);
    if !unknown.is_empty() {
        complain(&format!(
            "note: this version has no checker yet for {}; nothing is said about them",
            unknown.join(", ")
        ));
    }
    match simulate(&Arc::new(topology), &arguments) {
        Ok(summary) => report(&summary, &arguments),
        Err(error) => {
            complain(&format!("error: {error}"));
            ExitCode::from(if matches!(error, SeedError::Fork(_)) { ENVIRONMENT } else { 1 })
        }
    }
}

/// Starts this program again without address-space randomisation, the last thing that differs between two invocations. Where
/// the system does not allow it, the runs stay as they are: digests do not depend on addresses in code we know of.
fn pin_addresses() {
    const ALREADY: libc::c_int = libc::ADDR_NO_RANDOMIZE;
    // SAFETY: `personality` takes and returns plain numbers.
    let current = unsafe { libc::personality(0xffff_ffff) };
    if current == -1 || current & ALREADY != 0 {
        return;
    }
    // SAFETY: as above.
    if unsafe { libc::personality((current | ALREADY) as libc::c_ulong) } == -1 {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let error = Command::new(program).args(std::env::args_os().skip(1)).exec();
        complain(&format!("note: running with randomised addresses: {error}"));
    }
}

fn load(arguments: &SimArguments) -> Option<Topology> {
    let path = arguments.spec.display().to_string();
    let text = match fs::read_to_string(&arguments.spec) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("error: cannot read `{path}`: {error}"));
            return None;
        }
    };
    let folder = arguments.spec.parent().unwrap_or(Path::new("")).to_owned();
    let read = |relative: &str| {
        fs::read_to_string(folder.join(relative)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::Missing,
            io::ErrorKind::InvalidData => ReadError::NotText,
            _ => ReadError::Other(error.to_string()),
        })
    };
    let variable = |name: &str| std::env::var(name).ok();
    let load = |environment: Option<&str>| archgen_spec::load(&path, text.clone(), environment, &read, &variable);
    let loaded = match &arguments.environment {
        Some(name) => load(Some(name)),
        None => {
            let base = load(None);
            if base.environments.iter().any(|e| e == OVERLAY) { load(Some(OVERLAY)) } else { base }
        }
    };
    if loaded.topology.is_none() {
        complain(&archgen_spec::diagnostic::human(&loaded.diagnostics, &loaded.sources, io::stderr().is_terminal()));
    }
    loaded.topology
}

fn simulate(topology: &Arc<Topology>, arguments: &SimArguments) -> Result<Summary, SeedError> {
    let seeds: Vec<u64> = arguments.seed.map_or_else(|| (0..arguments.seeds).collect(), |seed| vec![seed]);
    let engines: Vec<EngineKind> =
        EngineKind::ALL.into_iter().filter(|e| arguments.engine == BOTH || arguments.engine == e.name()).collect();
    let plans: Vec<Plan> =
        seeds.iter().flat_map(|seed| engines.iter().map(|engine| Plan::of(topology, *engine, *seed))).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = arguments.workers.map_or(cores, |workers| workers as usize);
    let bar = progress(plans.len() as u64);
    let mut red = 0;
    let mut done = |run: &Run| {
        red += u64::from(run.verdict != Verdict::Green);
        bar.inc(1);
        bar.set_message(if red == 0 { "all green".to_owned() } else { format!("{red} not green") });
    };
    let batch = if arguments.until_red { BATCH_SEEDS } else { plans.len() };
    let mut summary = Summary::default();
    for part in plans.chunks(batch) {
        summary.runs.extend(run_plans(topology, part, workers, &Shim, &mut done)?.runs);
        if arguments.until_red && summary.count(Verdict::Red) > 0 {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(summary)
}

fn progress(seeds: u64) -> ProgressBar {
    if seeds < 2 || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(seeds), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} seeds, {per_sec}, {eta} left, {msg}") {
        bar.set_style(style);
    }
    // No steady tick: it would start a thread, and the parent must have one only.
    bar.tick();
    bar
}

fn report(summary: &Summary, arguments: &SimArguments) -> ExitCode {
    let text = match arguments.format {
        SimFormat::Json => format!("{:#}\n", json(summary)),
        SimFormat::Human => {
            let environment = arguments.environment.as_ref().map_or_else(String::new, |name| format!(" --env {name}"));
            let spec = arguments.spec.display().to_string();
            human(summary, &|seed| format!("archgen sim {spec} --seed {seed}{environment}"))
        }
    };
    // A closed pipe is the reader's choice.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    if summary.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn complain(text: &str) {
    // Nothing can be done about a closed terminal.
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}
