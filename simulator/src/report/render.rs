//! Renderers of a [`Summary`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde_json::{Value, json as object};

use crate::{
    coverage::coverage,
    invariants::Finding,
    verdict::{Run, Summary, Verdict},
};

/// Red and vacuous runs told in full.
const TOLD_MAX: usize = 3;
/// Runs in which everything that should happen sometimes is expected once.
const RUNS_FOR_SOMETIMES: usize = 50;

/// The summary as text: a table of promises, then each red or vacuous run with its witnesses, its faults and the command that
/// replays it. `replay` makes that command from a run.
pub fn human(summary: &Summary, replay: &dyn Fn(&Run) -> String) -> String {
    let mut out = String::new();
    let told: Vec<&Run> = summary.runs.iter().filter(|r| r.verdict != Verdict::Green).take(TOLD_MAX).collect();
    for run in told {
        tell(&mut out, run, replay);
    }
    for (name, total) in totals(summary) {
        let (checked, broken, runs) = (total.checked, total.broken, summary.runs.len());
        let _ = writeln!(out, "  {name:<24} {checked:>9} operations checked, broken in {broken} of {runs} runs");
    }
    for what in never(summary) {
        let _ = writeln!(out, "  never happened: {what}");
    }
    let faults: usize = summary.runs.iter().map(|r| r.faults.len()).sum();
    let simulated: u64 = summary.runs.iter().map(|r| r.simulated_ms).sum();
    let _ = writeln!(out, "  {faults} faults in {:.0} s of simulated time", simulated as f64 / 1000.0);
    if let Some(coverage) = coverage(summary) {
        let _ = writeln!(out, "{coverage}");
    }
    for runs in summary.disagreements() {
        disagree(&mut out, &runs);
    }
    let engines: BTreeSet<_> = summary.runs.iter().map(|run| run.engine).collect();
    if engines.len() > 1 {
        let _ = writeln!(out, "  {} disagreements between {} engines", summary.disagreements().len(), engines.len());
    }
    if summary.repeated > 0 {
        let _ = writeln!(out, "  {} runs were repeated to compare digests", summary.repeated);
    }
    let (green, red, vacuous) = counts(summary);
    let _ = writeln!(out, "{} seeds: {green} green, {red} red, {vacuous} vacuous", summary.runs.len());
    if let [run] = summary.runs.as_slice() {
        let _ = writeln!(out, "digest {}", run.digest);
    }
    out
}

/// One checker over all runs.
#[derive(Default)]
struct Total {
    checked: usize,
    broken: usize,
    sometimes: BTreeMap<String, usize>,
}

fn totals(summary: &Summary) -> BTreeMap<String, Total> {
    let mut totals: BTreeMap<String, Total> = BTreeMap::new();
    for finding in summary.runs.iter().flat_map(|run| &run.findings) {
        let total = totals.entry(finding.invariant.clone()).or_default();
        total.checked += finding.checked;
        total.broken += usize::from(!finding.breaches.is_empty());
        for (what, times) in &finding.sometimes {
            *total.sometimes.entry(what.clone()).or_default() += times;
        }
    }
    totals
}

/// What makes checks worth something and did not happen once in all of many runs.
fn never(summary: &Summary) -> Vec<String> {
    if summary.runs.len() < RUNS_FOR_SOMETIMES {
        return Vec::new();
    }
    let all = totals(summary).into_iter().flat_map(|(name, total)| {
        total.sometimes.into_iter().filter(|(_, times)| *times == 0).map(move |(what, _)| format!("{what} ({name})"))
    });
    all.collect()
}

fn tell(out: &mut String, run: &Run, replay: &dyn Fn(&Run) -> String) {
    let word = if run.verdict == Verdict::Red { "red" } else { "vacuous" };
    let _ = writeln!(
        out,
        "seed {} is {word} ({} engine): {} of {} sends acknowledged",
        run.seed, run.engine, run.operations, run.sends
    );
    story(out, run);
    let _ = writeln!(out, "  replay: {}\n", replay(run));
}

/// What was broken, by which operations, and under which faults.
pub fn story(out: &mut String, run: &Run) {
    for remark in &run.remarks {
        let _ = writeln!(out, "  {remark}");
    }
    for Finding { invariant, breaches, .. } in run.findings.iter().filter(|f| !f.breaches.is_empty()) {
        let _ = writeln!(out, "  broken: {invariant}");
        for breach in breaches {
            let _ = writeln!(out, "    {breach}");
        }
    }
    match run.faults.as_slice() {
        [] => {
            let _ = writeln!(out, "  without any fault");
        }
        faults => {
            let _ = writeln!(out, "  under {} faults:", faults.len());
            for fault in faults {
                let _ = writeln!(out, "    {fault}");
            }
        }
    }
}

fn disagree(out: &mut String, runs: &[&Run]) {
    let _ = writeln!(out, "seed {}: the engines disagree; this is a bug of the simulator", runs[0].seed);
    for run in runs {
        let _ = writeln!(out, "  {} engine: {:?}, digest {}", run.engine, run.verdict, run.digest);
        story(out, run);
    }
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

/// The summary as JUnit XML, one test case for each run.
pub fn junit(summary: &Summary, spec: &str) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (green, red, vacuous) = counts(summary);
    let tests = green + red + vacuous;
    let _ = writeln!(
        out,
        r#"<testsuite name="simulation of {}" tests="{tests}" failures="{red}" skipped="{vacuous}">"#,
        escaped(spec)
    );
    for run in &summary.runs {
        let seconds = run.simulated_ms as f64 / 1000.0;
        let _ = write!(out, r#"  <testcase classname="{}" name="seed {}" time="{seconds:.3}""#, run.engine, run.seed);
        let mut told = String::new();
        story(&mut told, run);
        let _ = match run.verdict {
            Verdict::Green => writeln!(out, "/>"),
            Verdict::Red => {
                let broken = escaped(&run.broken().join(", "));
                writeln!(out, ">\n    <failure message=\"{broken}\">{}</failure>\n  </testcase>", escaped(&told))
            }
            Verdict::Vacuous => {
                let why = escaped(&run.remarks.join("; "));
                writeln!(out, ">\n    <skipped message=\"{why}\"/>\n  </testcase>")
            }
        };
    }
    out.push_str("</testsuite>\n");
    out
}

fn escaped(text: &str) -> String {
    let legal = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        other => other.to_string(),
    };
    text.chars().filter(legal).map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::EngineKind, plan::Plan};

    fn red() -> Summary {
        let plan = Plan {
            rebalance: false,
            engine: EngineKind::Event,
            seed: 3,
            people: 1,
            sends: 1,
            duration_ms: 1,
            settle_ms: 1,
            schedule: Vec::new(),
        };
        Summary { runs: vec![Run::without_result(&plan, "it <hung> & \"died\"\u{1}".to_owned())], repeated: 0 }
    }

    #[test]
    fn junit_tells_what_failed_and_is_well_formed() {
        let text = junit(&red(), "a<b.yaml");
        assert!(text.contains(r#"failures="1""#) && text.contains("a&lt;b.yaml"), "{text}");
        assert!(text.contains("it &lt;hung&gt; &amp; &quot;died&quot;\n"), "{text}");
    }

    #[test]
    fn a_red_run_is_told_with_its_replay() {
        let text = human(&red(), &|run| format!("again {}", run.seed));
        assert!(text.contains("seed 3 is red (event engine)") && text.contains("replay: again 3"), "{text}");
        assert!(text.contains("without any fault"), "{text}");
    }
}
