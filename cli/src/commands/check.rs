//! `archgen check`: every error of every spec given, once or again at every change.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

use archgen_spec::{
    Loaded,
    diagnostic::{github_of_all, human_within, json_of_all, sarif_of_all},
};

use crate::{
    arguments::{CheckArguments, CheckFormat},
    exit::{self, Failure, Outcome},
    printer::Printer,
    spec_files::{self, Environment, SpecTexts},
};

/// How often files are looked at for a change.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Loads each spec and prints all problems together.
pub fn run(arguments: &CheckArguments, printer: Printer) -> Outcome {
    if arguments.watch && arguments.specs.iter().any(|spec| spec.as_os_str() == "-") {
        return Err(Failure::new(exit::USAGE, "`--watch` looks at files: standard input (`-`) does not change"));
    }
    let (status, mut texts) = once(arguments, printer);
    if !arguments.watch {
        return Ok(status);
    }
    loop {
        let seen = stamps(arguments, &texts);
        printer.note("watching; Ctrl-C ends it");
        while stamps(arguments, &texts) == seen {
            thread::sleep(LOOK_EVERY);
        }
        texts = once(arguments, printer).1;
    }
}

/// When each file was last changed and how long it is; `None` where it is not there.
fn stamps(arguments: &CheckArguments, texts: &[SpecTexts]) -> Vec<Option<(SystemTime, u64)>> {
    let overlays = texts.iter().flat_map(|t| {
        let folder = Path::new(&t.path).parent().unwrap_or(Path::new("")).to_owned();
        t.overlays.keys().map(move |relative| folder.join(relative))
    });
    let stamp = |path: &Path| std::fs::metadata(path).and_then(|m| Ok((m.modified()?, m.len()))).ok();
    arguments.specs.iter().cloned().chain(overlays).map(|path| stamp(&path)).collect()
}

/// One check of everything: a spec that cannot be read does not hide the others.
fn once(arguments: &CheckArguments, printer: Printer) -> (u8, Vec<SpecTexts>) {
    let began = now();
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (mut checked, mut texts): (Vec<Loaded>, Vec<SpecTexts>) = (Vec::new(), Vec::new());
    let mut unreadable = Vec::new();
    for path in &arguments.specs {
        match spec_files::judge(path, environment) {
            Ok((loaded, text)) => {
                checked.push(loaded);
                texts.push(text);
            }
            Err(error) => unreadable.push(format!("{error:#}")),
        }
    }
    let took = began.elapsed();
    let reports: Vec<_> = checked.iter().map(|l| (l.diagnostics.as_slice(), &l.sources)).collect();
    match arguments.format {
        CheckFormat::Json => printer.data(&format!("{}\n", json_of_all(&reports))),
        CheckFormat::Sarif => printer.data(&format!("{}\n", sarif_of_all(&reports))),
        CheckFormat::Github => printer.data(&github_of_all(&reports)),
        CheckFormat::Human => {
            let problems = human_within(&reports, printer.color_notes(), printer.columns());
            if !checked.is_empty() {
                printer.note(&closing(&checked, &problems, took));
            }
        }
    }
    unreadable.iter().for_each(|error| printer.error(error));
    let status = match (unreadable.is_empty(), checked.iter().all(|l| l.topology.is_some())) {
        (false, _) => exit::SYSTEM,
        (true, true) => exit::OK,
        (true, false) => exit::WRONG,
    };
    (status, texts)
}

/// The problems, or a line that says there are none.
fn closing(checked: &[Loaded], problems: &str, took: Duration) -> String {
    if !problems.is_empty() {
        return problems.to_owned();
    }
    let what = match checked {
        [one] => one.topology.as_ref().map_or_else(String::new, |t| {
            format!(
                "{}: {} services, {} stores, {} hosts: ",
                t.name,
                t.services.len(),
                t.stores.len(),
                t.instances().len()
            )
        }),
        several => format!("{} specs: ", several.len()),
    };
    format!("{what}no problems ({:.1} ms)", took.as_secs_f64() * 1_000.0)
}

#[expect(clippy::disallowed_methods, reason = "the time a command took is the machine's, and no host is involved")]
fn now() -> Instant {
    Instant::now()
}
