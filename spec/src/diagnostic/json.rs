//! The machine-readable rendering. Its shape is a contract: additions only, else `version` grows.

use serde::Serialize;

use super::{Diagnostic, Fix};
use crate::source::{Sources, Span};

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    diagnostics: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    code: String,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    #[serde(flatten)]
    place: Place<'a>,
    related: Vec<Related<'a>>,
    fix: Option<Change<'a>>,
}

#[derive(Serialize)]
struct Change<'a> {
    title: &'a str,
    edits: Vec<Replacement<'a>>,
}

#[derive(Serialize)]
struct Replacement<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    replacement: &'a str,
}

#[derive(Serialize)]
struct Related<'a> {
    message: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

fn place(sources: &Sources, span: Span) -> Place<'_> {
    let start = sources.position(span.file, span.start);
    let end = sources.position(span.file, span.end);
    Place {
        file: sources.path(span.file),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

fn change<'a>(fix: &'a Fix, sources: &'a Sources) -> Change<'a> {
    let edits = fix.edits.iter();
    let edits = edits.map(|e| Replacement { place: place(sources, e.span), replacement: &e.replacement }).collect();
    Change { title: &fix.title, edits }
}

/// Renders every diagnostic as one JSON document, lines and columns from 1, ends exclusive, without a final line break.
pub fn json(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    json_of_all(&[(diagnostics, sources)])
}

/// The same for several specs in one document, in the given order.
pub fn json_of_all(specs: &[(&[Diagnostic], &Sources)]) -> String {
    let diagnostics = specs
        .iter()
        .flat_map(|(diagnostics, sources)| diagnostics.iter().map(move |d| (d, *sources)))
        .map(|(d, sources)| Entry {
            code: d.code.to_string(),
            severity: d.severity.name(),
            message: &d.message,
            help: d.help.as_deref(),
            place: place(sources, d.primary),
            related: d
                .related
                .iter()
                .map(|(span, message)| Related { message, place: place(sources, *span) })
                .collect(),
            fix: d.fix.as_ref().map(|fix| change(fix, sources)),
        })
        .collect();
    // Strings and numbers only: there is nothing in this value that JSON cannot say.
    serde_json::to_string(&Report { version: 1, diagnostics }).unwrap_or_default()
}
