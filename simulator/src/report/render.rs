//! Renderers of a [`Summary`].

use std::fmt::Write;

use serde_json::{Value, json as object};

use crate::verdict::{Run, Summary, Verdict};

/// Red and vacuous runs told in full.
const TOLD_MAX: usize = 3;

/// The summary as text: a table of promises, then each red or vacuous run with its witnesses, its faults and the command that
/// replays it. `replay` makes that command from a seed.
pub fn human(summary: &Summary, replay: &dyn Fn(u64) -> String) -> String {
    let mut out = String::new();
    let told: Vec<&Run> = summary.runs.iter().filter(|r| r.verdict != Verdict::Green).take(TOLD_MAX).collect();
    for run in told {
        tell(&mut out, run, replay);
    }
    let mut promises: Vec<(&str, usize, usize)> = Vec::new();
    for (name, checked, breaches) in summary.runs.iter().flat_map(|r| &r.findings) {
        match promises.iter_mut().find(|(n, ..)| n == name) {
            Some(row) => {
                row.1 += checked;
                row.2 += usize::from(!breaches.is_empty());
            }
            None => promises.push((name, *checked, usize::from(!breaches.is_empty()))),
        }
    }
    for (name, checked, broken) in promises {
        let _ = writeln!(
            out,
            "  {name:<24} {checked:>9} operations checked, broken in {broken} of {} runs",
            summary.runs.len()
        );
    }
    let faults: usize = summary.runs.iter().map(|r| r.faults.len()).sum();
    let simulated: u64 = summary.runs.iter().map(|r| r.simulated_ms).sum();
    let _ = writeln!(out, "  {faults} faults in {:.0} s of simulated time", simulated as f64 / 1000.0);
    let (green, red, vacuous) = counts(summary);
    let _ = writeln!(out, "{} seeds: {green} green, {red} red, {vacuous} vacuous", summary.runs.len());
    if let [run] = summary.runs.as_slice() {
        let _ = writeln!(out, "digest {}", run.digest);
    }
    out
}

fn tell(out: &mut String, run: &Run, replay: &dyn Fn(u64) -> String) {
    let word = if run.verdict == Verdict::Red { "red" } else { "vacuous" };
    let _ = writeln!(out, "seed {} is {word}: {} of {} sends acknowledged", run.seed, run.operations, run.sends);
    for remark in &run.remarks {
        let _ = writeln!(out, "  {remark}");
    }
    for (name, _, breaches) in run.findings.iter().filter(|(.., b)| !b.is_empty()) {
        let _ = writeln!(out, "  broken: {name}");
        for breach in breaches {
            let _ = writeln!(out, "    {breach}");
        }
    }
    let _ = writeln!(out, "  under {} faults:", run.faults.len());
    for fault in &run.faults {
        let _ = writeln!(out, "    {fault}");
    }
    let _ = writeln!(out, "  replay: {}\n", replay(run.seed));
}

fn counts(summary: &Summary) -> (usize, usize, usize) {
    (summary.count(Verdict::Green), summary.count(Verdict::Red), summary.count(Verdict::Vacuous))
}

/// `{"seeds","green","red","vacuous","runs":[{"seed","verdict","digest","operations",…}]}`.
pub fn json(summary: &Summary) -> Value {
    let (green, red, vacuous) = counts(summary);
    object!({
        "seeds": summary.runs.len(),
        "green": green,
        "red": red,
        "vacuous": vacuous,
        "runs": summary.runs,
    })
}
