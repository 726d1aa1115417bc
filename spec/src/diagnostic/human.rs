//! The rendering for people: the look of rustc, readable without colour.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Severity};
use crate::source::{FileId, Sources, Span};

/// Most diagnostics that are printed; the rest are counted.
pub const PRINTED_MAX: usize = 50;
/// Lines shown around a marked line.
const CONTEXT_LINES: usize = 1;
/// Longest line shown whole, bytes. A longer one is cut around the mark.
const LINE_BYTES_MAX: usize = 240;
/// Columns where nobody says how many there are.
const COLUMNS: usize = 140;
/// Narrower than this, nothing could be read.
const COLUMNS_MIN: usize = 40;
/// What stands before a line of help: `   = help: `.
const HELP_INDENT: usize = 12;

/// Renders diagnostics and a closing count, ending in a line break; empty where there is none.
pub fn human(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    human_of_all(&[(diagnostics, sources)], color)
}

/// The same for several specs with one closing count, in the given order.
pub fn human_of_all(specs: &[(&[Diagnostic], &Sources)], color: bool) -> String {
    human_within(specs, color, None)
}

/// The same within so many columns: long lines of a file are cut around the mark, help is broken between words. Without a width
/// nothing is broken, so that other programs can read it line by line.
pub fn human_within(specs: &[(&[Diagnostic], &Sources)], color: bool, columns: Option<usize>) -> String {
    let all: Vec<(&Diagnostic, &Sources)> =
        specs.iter().flat_map(|(diagnostics, sources)| diagnostics.iter().map(move |d| (d, *sources))).collect();
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(columns.unwrap_or(COLUMNS).max(COLUMNS_MIN));
    let mut text = String::new();
    for (diagnostic, sources) in all.iter().take(PRINTED_MAX) {
        text.push_str(&one(diagnostic, sources, &renderer, columns));
        text.push_str("\n\n");
    }
    if !all.is_empty() {
        text.push_str(&summary(&all));
        text.push('\n');
    }
    text
}

fn one(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer, columns: Option<usize>) -> String {
    let help = diagnostic.help.as_deref().map(|help| columns.map_or_else(|| help.to_owned(), |c| wrapped(help, c)));
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let code = diagnostic.code.to_string();
    let mut group = level
        .primary_title(diagnostic.message.as_str())
        .id(code.as_str())
        .elements([] as [Snippet<'_, annotate_snippets::Annotation<'_>>; 0]);
    // Places of one file share a snippet; other files follow in the order in which they are mentioned.
    let mut files: Vec<FileId> = vec![diagnostic.primary.file];
    for (span, _) in &diagnostic.related {
        if !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    for file in files {
        group = snippet(group, file, diagnostic, sources);
    }
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

fn snippet<'a>(group: Group<'a>, file: FileId, diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let mut marks: Vec<(Span, Option<&str>, AnnotationKind)> = Vec::new();
    if diagnostic.primary.file == file {
        marks.push((diagnostic.primary, None, AnnotationKind::Primary));
    }
    let related = diagnostic.related.iter().filter(|(span, _)| span.file == file);
    marks.extend(related.map(|(span, what)| (*span, Some(what.as_str()), AnnotationKind::Context)));
    let text = sources.text(file);
    let first = marks.iter().map(|(s, ..)| s.start).min().unwrap_or(0);
    let last = marks.iter().map(|(s, ..)| s.end).max().unwrap_or(0);
    let (start, end) = window(text, first, last);
    let line = sources.position(file, start).line;
    let mut snippet = Snippet::source(&text[start..end]).line_start(line).path(sources.path(file)).fold(true);
    for (span, label, kind) in marks {
        let from = span.start.clamp(start, end) - start;
        let to = span.end.clamp(start, end) - start;
        // A mark over many lines says less than its first line.
        let to = text[start..end].get(from..to).and_then(|t| t.find('\n')).map_or(to, |line_end| from + line_end);
        snippet = snippet.annotation(kind.span(from..to.max(from)).label(label));
    }
    group.element(snippet)
}

/// The part of the text that is shown: whole lines around the marks, or a piece of one very long line.
fn window(text: &str, first: usize, last: usize) -> (usize, usize) {
    let (first, last) = (first.min(text.len()), last.clamp(first.min(text.len()), text.len()));
    let mut start = text[..first].rfind('\n').map_or(0, |i| i + 1);
    let mut end = text[last..].find('\n').map_or(text.len(), |i| last + i);
    if end - start > LINE_BYTES_MAX && !text[start..end].contains('\n') {
        start = boundary(text, first.saturating_sub(LINE_BYTES_MAX / 3).max(start));
        end = boundary(text, (first + LINE_BYTES_MAX).min(end));
        return (start, end);
    }
    for _ in 0..CONTEXT_LINES {
        start = text[..start.saturating_sub(1)].rfind('\n').map_or(0, |i| i + 1);
    }
    (start, end)
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn summary(all: &[(&Diagnostic, &Sources)]) -> String {
    let errors = all.iter().filter(|(d, _)| d.severity == Severity::Error).count();
    let warnings = all.len() - errors;
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(count(errors, "error"));
    }
    if warnings > 0 {
        parts.push(count(warnings, "warning"));
    }
    let mut line = parts.join(", ");
    if all.len() > PRINTED_MAX {
        line.push_str(&format!(" ({} more not shown)", all.len() - PRINTED_MAX));
    }
    line
}

/// The text broken between words, so that it fits behind `= help: `.
fn wrapped(text: &str, columns: usize) -> String {
    let most = columns.max(COLUMNS_MIN) - HELP_INDENT;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |l| l.chars().count());
        match lines.last_mut() {
            Some(last) if line > 0 && line + 1 + word.chars().count() <= most => last.push_str(&format!(" {word}")),
            Some(last) if line == 0 => last.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
