//! A sequence of edits to a small spec, each followed by every question that an editor asks.
#![no_main]

use archgen_spec::ReadError;
use archgen_spec::editor::{Lines, Project};
use archgen_spec::source::{FileId, Span};
use archgen_spec::units::Date;
use libfuzzer_sys::fuzz_target;

const SPEC: &str = include_str!("../../../examples/minimal/topology.yaml");
/// Most edits of one run: a run stays short.
const EDITS_MAX: usize = 16;

fn boundary(text: &str, at: usize) -> usize {
    (0..=at % (text.len() + 1)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

fn sound(project: &Project, span: Span) {
    let (_, text) = project.file(span.file).expect("a file of the project");
    assert!(text.get(span.start..span.end).is_some(), "{span:?} in {} bytes", text.len());
}

fn ask(text: &str, offset: usize) {
    let project = Project::new(Date::of_unix_days(20_000), "fuzz.yaml", text, &|_| Err(ReadError::Missing), &|_| None);
    let file = FileId(0);
    for problem in project.problems() {
        sound(&project, problem.diagnostic.primary);
        problem.diagnostic.related.iter().for_each(|(span, _)| sound(&project, *span));
        problem.diagnostic.fix.iter().flat_map(|f| &f.edits).for_each(|e| sound(&project, e.span));
    }
    for completion in project.completions(file, offset) {
        sound(&project, completion.span);
        assert!(completion.span.start <= offset && offset <= completion.span.end);
    }
    project.hover(file, offset).iter().for_each(|h| sound(&project, h.span));
    project.definitions(file, offset).into_iter().for_each(|span| sound(&project, span));
    project.references(file, offset, true).into_iter().for_each(|span| sound(&project, span));
    for edit in project.rename(file, offset, "renamed").unwrap_or_default() {
        sound(&project, edit.span);
    }
    project.outline(file).iter().for_each(|o| sound(&project, o.span));
    project.hints(file).iter().for_each(|h| sound(&project, h.at));
    let lines = Lines::new(text);
    // A line break may be two characters, and a column never lies between them.
    if !text.contains('\r') {
        assert_eq!(lines.offset(text, lines.position(text, offset)), offset.min(text.len()));
    }
}

fuzz_target!(|edits: Vec<(u16, u8, String)>| {
    let mut text = SPEC.to_owned();
    for (at, removed, inserted) in edits.into_iter().take(EDITS_MAX) {
        let start = boundary(&text, at as usize);
        let end = boundary(&text, (start + removed as usize).min(text.len())).max(start);
        text.replace_range(start..end, &inserted);
        ask(&text, start + inserted.len());
    }
});
