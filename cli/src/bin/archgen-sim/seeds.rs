//! Runs seeds, shrinks the first red one, keeps it and prints the report.

use std::{
    io::{self, IsTerminal},
    path::Path,
    time::{Duration, Instant},
};

use archgen_simulator::{
    EngineKind, Plan, Repeat, Run, Summary, Verdict, human, json, junit, run_plans, shrink, story, unchecked,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    arguments::{BOTH, SimArguments, SimFormat},
    artifacts,
    loading::{Spec, load},
    on_fleet,
    program::{Failure, complain, say},
    shim::Shim,
};

/// Plans between two looks at the clock and for a red run.
const BATCH_PLANS: usize = 16;

/// Runs the seeds that were asked for; `true` when all are green and engines agree.
///
/// # Errors
/// See [`Failure`].
pub fn run(arguments: &SimArguments) -> Result<bool, Failure> {
    let path = arguments.spec.as_deref().unwrap_or(Path::new(""));
    let spec = load(path, arguments.environment.as_deref(), &arguments.set)?;
    let unknown = unchecked(&spec.topology.simulation.invariants);
    if !unknown.is_empty() {
        complain(&format!(
            "note: this version has no checker yet for {}; nothing is said about them",
            unknown.join(", ")
        ));
    }
    let workers = workers(arguments.workers);
    let engines: Vec<EngineKind> =
        EngineKind::ALL.into_iter().filter(|e| arguments.engine == BOTH || arguments.engine == e.name()).collect();
    let rebalance = arguments.only.is_some();
    let kept = if arguments.seed.is_none() && !rebalance { artifacts::corpus(&spec)? } else { Vec::new() };
    let seeds: Vec<u64> = match arguments.seed {
        Some(seed) => vec![seed],
        None => (arguments.from..arguments.from + arguments.seeds).collect(),
    };
    let plan = if rebalance { Plan::rebalancing } else { Plan::of };
    let of_seeds = seeds.iter().map(|seed| plan(&spec.topology, EngineKind::Event, *seed));
    let plans: Vec<Plan> = kept
        .into_iter()
        .chain(of_seeds)
        .flat_map(|plan| engines.iter().map(move |engine| Plan { engine: *engine, ..plan.clone() }))
        .collect();
    if arguments.on.fleet {
        let plan = plan(&spec.topology, EngineKind::Event, arguments.seed.unwrap_or(arguments.from));
        return on_fleet::play(&spec, &plan, None, &arguments.on, arguments.html.as_deref());
    }
    // Compilers of a build just before this are children, too.
    let before_mib = largest_child_mib();
    let (summary, run) = simulate(&spec, &plans, workers, arguments)?;
    report(&spec, &summary, arguments, Some(largest_child_mib()).filter(|mib| *mib > before_mib));
    let red = summary.runs.iter().position(|run| run.verdict == Verdict::Red);
    if let Some(index) = red {
        tell_red(&spec, &run[index], &summary.runs[index], workers, arguments)?;
    }
    if let Some(page) = &arguments.html
        && let Some(plan) = red.map_or(run.first(), |index| run.get(index))
    {
        artifacts::write_page(&spec, plan, page)?;
    }
    Ok(summary.is_green() && summary.disagreements().is_empty())
}

/// The most memory that a child has taken.
fn largest_child_mib() -> i64 {
    // SAFETY: all zeroes is a valid `rusage`, and it is valid for the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    usage.ru_maxrss / 1_024
}

/// Runs at a time.
pub fn workers(asked: Option<u64>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or(cores, |workers| workers as usize)
}

#[expect(clippy::disallowed_methods, reason = "a budget is of the user's own time")]
fn now() -> Instant {
    Instant::now()
}

/// The runs, and the plans that were run.
fn simulate<'a>(
    spec: &Spec,
    plans: &'a [Plan],
    workers: usize,
    arguments: &SimArguments,
) -> Result<(Summary, &'a [Plan]), Failure> {
    let bar = progress(plans.len() as u64);
    let mut red = 0;
    let mut done = |run: &Run| {
        red += u64::from(run.verdict != Verdict::Green);
        bar.inc(1);
        bar.set_message(if red == 0 { "all green".to_owned() } else { format!("{red} not green") });
    };
    let begun = now();
    let looks = arguments.until_red || arguments.budget.is_some();
    let batch = if looks { BATCH_PLANS } else { plans.len().max(1) };
    let repeat = if arguments.twice { Repeat::All } else { Repeat::Few };
    let mut summary = Summary::default();
    for part in plans.chunks(batch) {
        let ran = run_plans(&spec.topology, part, workers, &Shim, repeat, &mut done)?;
        summary.runs.extend(ran.runs);
        summary.repeated += ran.repeated;
        let spent = arguments.budget.is_some_and(|budget: Duration| begun.elapsed() >= budget);
        if spent || (arguments.until_red && summary.count(Verdict::Red) > 0) {
            break;
        }
    }
    bar.finish_and_clear();
    let ran = summary.runs.len();
    Ok((summary, &plans[..ran]))
}

fn progress(runs: u64) -> ProgressBar {
    if runs < 2 || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(runs), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {per_sec}, {eta} left, {msg}") {
        bar.set_style(style);
    }
    // No steady tick: it would start a thread, and the parent must have one only.
    bar.tick();
    bar
}

fn report(spec: &Spec, summary: &Summary, arguments: &SimArguments, largest_run_mib: Option<i64>) {
    match arguments.format {
        SimFormat::Json => say(&format!("{:#}\n", json(summary))),
        SimFormat::Junit => say(&junit(summary, &spec.path)),
        SimFormat::Human => {
            let environment = arguments.environment.as_ref().map_or_else(String::new, |name| format!(" --env {name}"));
            let set: String = spec.set.iter().map(|setting| format!(" --set '{setting}'")).collect();
            let only = arguments.only.as_ref().map_or_else(String::new, |what| format!(" --only {what}"));
            let replay = |run: &Run| {
                format!("archgen sim {} --seed {} --engine {}{environment}{set}{only}", spec.path, run.seed, run.engine)
            };
            say(&human(summary, &replay));
            if let Some(mib) = largest_run_mib {
                say(&format!("memory of the largest run: {mib} MiB\n"));
            }
        }
    }
}

/// Finds the smallest schedule of a red run, keeps it and tells its story.
fn tell_red(spec: &Spec, plan: &Plan, red: &Run, workers: usize, arguments: &SimArguments) -> Result<(), Failure> {
    let human = arguments.format == SimFormat::Human;
    let mut text = String::new();
    let (plan, red) = if arguments.no_shrink {
        (plan.clone(), red.clone())
    } else {
        match shrink(&spec.topology, plan, red, workers, &Shim, &mut |_| {})? {
            Some(shrunk) => {
                text.push_str(&format!(
                    "\nsmallest schedule found for seed {} in {} runs: {} of {} faults, {} people with {} sends each\n",
                    plan.seed,
                    shrunk.runs,
                    shrunk.plan.schedule.len(),
                    plan.schedule.len(),
                    shrunk.plan.people,
                    shrunk.plan.sends
                ));
                story(&mut text, &shrunk.run);
                (shrunk.plan, shrunk.run)
            }
            None => (plan.clone(), red.clone()),
        }
    };
    let path = artifacts::keep(spec, &plan, &red)?;
    text.push_str(&format!("  kept: {}\n  replay: archgen sim replay {}\n", path.display(), path.display()));
    if human {
        say(&text);
    } else {
        complain(&text);
    }
    Ok(())
}
