//! `--fleet`: plays a schedule to the fleet that is up, several times, and counts how often it fails in the same way.

use std::path::Path;

use archgen_env::{os, task::Shutdown};
use archgen_simulator::{Plan, Recorded, RunningFleet, Symptom, Verdict, page, run_on_fleet, unplayable};

use crate::{
    arguments::FleetArguments,
    artifacts::written,
    loading::Spec,
    program::{Failure, complain, say},
};

/// Plays the plan. `expected` is how it failed in a simulation. `true` when nothing failed.
///
/// # Errors
/// See [`Failure`].
pub fn play(
    spec: &Spec,
    plan: &Plan,
    expected: Option<&Symptom>,
    arguments: &FleetArguments,
    html: Option<&Path>,
) -> Result<bool, Failure> {
    let input = |error: &dyn std::fmt::Display| Failure::Input(error.to_string());
    let out_of_reach = unplayable(plan);
    if !out_of_reach.is_empty() {
        let faults = out_of_reach.iter().map(|fault| format!("\n  {fault}")).collect::<String>();
        return Err(Failure::Input(format!(
            "real machines are left their disks and data; this schedule needs them:{faults}"
        )));
    }
    let hosts: Vec<String> = spec.topology.instances().into_iter().map(|instance| instance.name).collect();
    let fleet = RunningFleet::find(&arguments.state, &hosts).map_err(|error| input(&error))?;
    let clock = os::env("simulator", Path::new("."), Shutdown::default());
    let (mut red, mut same) = (0, 0);
    let mut drawn = false;
    for turn in 1..=arguments.times {
        // No two crowds of one fleet may share a name.
        let mark = format!("x{:x}", clock.wall_ms());
        let recorded = run_on_fleet(&spec.topology, plan, &fleet, &mark).map_err(|error| input(&error))?;
        let run = &recorded.run;
        let is_same = expected.is_some_and(|symptom| symptom.shows(run));
        (red, same) = (red + u64::from(run.verdict == Verdict::Red), same + u64::from(is_same));
        say(&format!("{turn:>3} of {}: {}\n", arguments.times, told(&recorded)));
        if let Some(file) = html
            && !drawn
            && (is_same || run.verdict == Verdict::Red || turn == arguments.times)
        {
            written(file, &page(&spec.topology, &spec.path, plan, &recorded))?;
            drawn = true;
        }
    }
    match expected {
        Some(symptom) => say(&format!("reproduced {same} of {} ({symptom})\n", arguments.times)),
        None => say(&format!("red {red} of {}\n", arguments.times)),
    }
    if red > same && expected.is_some() {
        complain(&format!("note: {} runs failed in another way", red - same));
    }
    Ok(red == 0)
}

/// One line about a run, with its first witness.
fn told(recorded: &Recorded) -> String {
    let run = &recorded.run;
    let broken =
        run.findings.iter().find_map(|f| f.breaches.first().map(|breach| format!("{}: {breach}", f.invariant)));
    let why = broken.or_else(|| run.remarks.first().cloned()).map_or_else(String::new, |why| format!("; {why}"));
    format!("{}, {} of {} sends acknowledged{why}", run.verdict.word(), run.operations, run.sends)
}
