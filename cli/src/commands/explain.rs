//! `archgen explain`: what a diagnostic code means, what a key of the spec is and its value there, or where a figure of the plan
//! comes from.

use std::path::Path;

use archgen_generator::{Figure, figures, figures_list};
use archgen_spec::{codes, diagnostic::Code, explain, reference::language, topology::Topology};

use crate::{
    arguments::ExplainArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

const USAGE: &str = "Usage: archgen explain CODE|PATH|FIGURE [SPEC]";

/// Prints one explanation, or the list of codes.
pub fn run(arguments: &ExplainArguments, printer: Printer) -> Outcome {
    let subject = arguments.subject.as_str();
    if subject.eq_ignore_ascii_case("list") {
        let lines = codes().iter().map(|e| format!("{}  {}\n", e.code, e.title));
        printer.data(&lines.collect::<String>());
        return Ok(exit::OK);
    }
    let digits = subject.len() > 2 && subject[..].chars().skip(2).all(|c| c.is_ascii_digit());
    if digits && subject.get(..2).is_some_and(|ag| ag.eq_ignore_ascii_case("ag")) {
        return code(subject, printer);
    }
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let loaded = arguments.spec.as_deref().map(|spec: &Path| spec_files::load(spec, environment)).transpose()?;
    let loaded = loaded.map(|(loaded, _)| loaded);
    if let Some(loaded) = loaded.as_ref().filter(|l| l.topology.is_none()) {
        printer.note(&archgen_spec::diagnostic::human(&loaded.diagnostics, &loaded.sources, printer.color_notes()));
        printer.warning("the spec has errors: values and origins below are those that could be read");
    }
    if subject == "plan" || subject.starts_with("plan.") {
        return figure(subject, loaded.and_then(|l| l.topology), printer);
    }
    match language().explain(subject, loaded.as_ref()) {
        Ok(text) => {
            printer.data(&text);
            Ok(exit::OK)
        }
        Err(reason) => Err(Failure::new(exit::USAGE, format!("{reason}\n\n{USAGE}"))),
    }
}

/// One figure of the plan with its formula, or the list of those below a path.
fn figure(subject: &str, topology: Option<Topology>, printer: Printer) -> Outcome {
    let Some(topology) = topology else {
        let message =
            format!("a figure of the plan needs a spec without errors\n\nUsage: archgen explain {subject} SPEC");
        return Err(Failure::new(exit::USAGE, message));
    };
    let all = figures(&topology, &archgen_generator::plan(&topology));
    if let Some(figure) = all.iter().find(|f| f.path == subject) {
        printer.data(&figure.text());
        return Ok(exit::OK);
    }
    let below = |path: &str| path.strip_prefix(subject).is_some_and(|rest| rest.starts_with('.'));
    let some: Vec<Figure> = all.iter().filter(|f| below(&f.path)).cloned().collect();
    if some.is_empty() {
        let list = figures_list(&all);
        return Err(Failure::new(exit::USAGE, format!("the plan has no figure `{subject}`; it has\n\n{list}")));
    }
    printer.data(&figures_list(&some));
    Ok(exit::OK)
}

fn code(subject: &str, printer: Printer) -> Outcome {
    match Code::parse(subject).and_then(explain) {
        Some(explanation) => {
            printer.data(&explanation.to_string());
            Ok(exit::OK)
        }
        None => Err(Failure::new(
            exit::USAGE,
            format!(
                "`{subject}` is no diagnostic code\n\n{USAGE}, for example `archgen explain {}`; `archgen explain list` prints \
                 all {} codes",
                nearest(subject),
                codes().len()
            ),
        )),
    }
}

/// The code whose number is nearest to the digits in the text, else the first.
fn nearest(text: &str) -> Code {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(5).collect();
    let number: u16 = digits.parse().unwrap_or(0);
    codes().iter().map(|e| e.code).min_by_key(|c| c.0.abs_diff(number)).unwrap_or(Code(number))
}
