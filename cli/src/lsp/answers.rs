//! The answer to each request, in the protocol's shapes.

use archgen_spec::{
    diagnostic::{Edit, Fix, Severity},
    editor::{Completion, CompletionKind, Lines, Outline, Problem, Project, RenameError},
    formatting::formatted,
    source::{FileId, Span},
};
use lsp_types::{
    CodeAction, CodeActionKind, CompletionItem, CompletionItemKind, CompletionTextEdit, Diagnostic,
    DiagnosticRelatedInformation, DiagnosticSeverity, Documentation, Hover, HoverContents, InlayHint, InlayHintLabel,
    InlayHintTooltip, Location, MarkupContent, MarkupKind, NumberOrString, OneOf,
    OptionalVersionedTextDocumentIdentifier, Position, Range, TextDocumentEdit, TextEdit, WorkspaceEdit,
};
use serde_json::{Value, json};

use super::places::{location, place, range};

/// What can be written at a place.
pub fn completions(project: &Project, path: &str, at: Position) -> Vec<CompletionItem> {
    let Some((file, offset)) = place(project, path, at) else { return Vec::new() };
    let Some((_, text)) = project.file(file) else { return Vec::new() };
    let lines = Lines::new(text);
    let all = project.completions(file, offset);
    let width = all.len().to_string().len();
    all.into_iter().enumerate().map(|(index, one)| item(one, &lines, text, format!("{index:0width$}"))).collect()
}

fn item(one: Completion, lines: &Lines, text: &str, order: String) -> CompletionItem {
    CompletionItem {
        kind: Some(match one.kind {
            CompletionKind::Key => CompletionItemKind::PROPERTY,
            CompletionKind::Word => CompletionItemKind::ENUM_MEMBER,
            CompletionKind::Name => CompletionItemKind::REFERENCE,
        }),
        detail: Some(one.detail),
        documentation: (!one.documentation.is_empty())
            .then(|| Documentation::MarkupContent(markdown(one.documentation))),
        // The language's own order: what matters most stands first.
        sort_text: Some(order),
        filter_text: Some(one.label.clone()),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(range(lines, text, one.span), one.text))),
        label: one.label,
        ..CompletionItem::default()
    }
}

fn markdown(value: String) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value }
}

/// What there is to say about a place.
pub fn hover(project: &Project, path: &str, at: Position) -> Option<Hover> {
    let (file, offset) = place(project, path, at)?;
    let hover = project.hover(file, offset)?;
    let contents = HoverContents::Markup(markdown(hover.text));
    Some(Hover { contents, range: location(project, hover.span).map(|l| l.range) })
}

/// Where what is named at a place is declared.
pub fn definition(project: &Project, path: &str, at: Position) -> Vec<Location> {
    let Some((file, offset)) = place(project, path, at) else { return Vec::new() };
    project.definitions(file, offset).into_iter().filter_map(|span| location(project, span)).collect()
}

/// Everywhere that it stands.
pub fn references(project: &Project, path: &str, at: Position, with_declaration: bool) -> Vec<Location> {
    let Some((file, offset)) = place(project, path, at) else { return Vec::new() };
    let all = project.references(file, offset, with_declaration);
    all.into_iter().filter_map(|span| location(project, span)).collect()
}

/// What a rename would change at a place.
pub fn prepare_rename(project: &Project, path: &str, at: Position) -> Option<Range> {
    let (file, offset) = place(project, path, at)?;
    location(project, project.renamed(file, offset)?).map(|l| l.range)
}

/// The rename, or why there is none.
pub fn rename(project: &Project, path: &str, at: Position, name: &str) -> Result<WorkspaceEdit, RenameError> {
    let (file, offset) = place(project, path, at).ok_or(RenameError::Nothing)?;
    project.rename(file, offset, name).map(|edits| changes(project, &edits))
}

/// Edits, file by file.
fn changes(project: &Project, edits: &[Edit]) -> WorkspaceEdit {
    let mut all: Vec<TextDocumentEdit> = Vec::new();
    for edit in edits {
        let Some(place) = location(project, edit.span) else { continue };
        let change = OneOf::Left(TextEdit::new(place.range, edit.replacement.clone()));
        match all.iter_mut().find(|e| e.text_document.uri == place.uri) {
            Some(file) => file.edits.push(change),
            None => all.push(TextDocumentEdit {
                text_document: OptionalVersionedTextDocumentIdentifier { uri: place.uri, version: None },
                edits: vec![change],
            }),
        }
    }
    WorkspaceEdit { document_changes: Some(lsp_types::DocumentChanges::Edits(all)), ..WorkspaceEdit::default() }
}

/// Fixes of the problems in a range, and all certain fixes of the file at once.
pub fn code_actions(project: &Project, path: &str, within: Range) -> Vec<CodeAction> {
    let Some(file) = project.find(path) else { return Vec::new() };
    let problems: Vec<Problem> = project.problems().into_iter().filter(|p| p.diagnostic.primary.file == file).collect();
    let fixes: Vec<&Fix> = problems.iter().filter_map(|p| p.diagnostic.fix.as_ref()).collect();
    let mut actions = Vec::new();
    for problem in &problems {
        let Some(fix) = &problem.diagnostic.fix else { continue };
        let shown = diagnostic(project, problem);
        if shown.range.start > within.end || within.start > shown.range.end {
            continue;
        }
        actions.push(CodeAction {
            title: fix.title.clone(),
            kind: Some(CodeActionKind::QUICKFIX),
            edit: Some(changes(project, &fix.edits)),
            is_preferred: Some(true),
            diagnostics: Some(vec![shown]),
            ..CodeAction::default()
        });
    }
    if fixes.len() > 1 {
        actions.push(CodeAction {
            title: "apply every certain fix of this file".to_owned(),
            kind: Some(CodeActionKind::SOURCE_FIX_ALL),
            edit: Some(changes(project, &apart(fixes))),
            ..CodeAction::default()
        });
    }
    actions
}

/// The edits of fixes that do not touch each other; of two that do, the first.
fn apart(fixes: Vec<&Fix>) -> Vec<Edit> {
    let mut all: Vec<Edit> = Vec::new();
    for fix in fixes {
        let touches =
            |a: &Edit, b: &Edit| a.span.file == b.span.file && a.span.start <= b.span.end && b.span.start <= a.span.end;
        if !fix.edits.iter().any(|e| all.iter().any(|other| touches(e, other))) {
            all.extend(fix.edits.iter().cloned());
        }
    }
    all
}

/// The file's outline. Written as JSON because the typed shape demands a field that is deprecated.
pub fn symbols(project: &Project, path: &str) -> Value {
    let Some((file, (_, text))) = project.find(path).and_then(|f| Some((f, project.file(f)?))) else {
        return json!([]);
    };
    let lines = Lines::new(text);
    project.outline(file).iter().map(|one| symbol(one, &lines, text, 0)).collect()
}

fn symbol(one: &Outline, lines: &Lines, text: &str, depth: usize) -> Value {
    const MODULE: u8 = 2;
    const CLASS: u8 = 5;
    const PROPERTY: u8 = 7;
    let kind = match (depth, one.detail.is_empty()) {
        (_, false) => PROPERTY,
        (0, _) => MODULE,
        _ => CLASS,
    };
    let below: Vec<Value> = one.below.iter().map(|b| symbol(b, lines, text, depth + 1)).collect();
    json!({
        "name": one.name,
        "detail": one.detail,
        "kind": kind,
        "range": range(lines, text, one.span),
        "selectionRange": range(lines, text, one.key),
        "children": below,
    })
}

/// What formatting changes: from the first byte that differs to the last, so that a cursor elsewhere stays where it is. `None` where
/// the text cannot be formatted.
pub fn formatting(text: &str) -> Option<Vec<TextEdit>> {
    let new = formatted(text, "").ok()?;
    if new == text {
        return Some(Vec::new());
    }
    let same = |a: &str, b: &str| a.char_indices().zip(b.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    let start = same(text, &new).unwrap_or(text.len().min(new.len()));
    let back = |text: &str| text[start..].chars().rev().collect::<String>();
    let (old_tail, new_tail) = (back(text), back(&new));
    let kept = same(&old_tail, &new_tail).unwrap_or(old_tail.len().min(new_tail.len()));
    let lines = Lines::new(text);
    let changed = Span { file: FileId(0), start, end: text.len() - kept };
    Some(vec![TextEdit::new(range(&lines, text, changed), new[start..new.len() - kept].to_owned())])
}

/// Derived numbers of the file.
pub fn hints(project: &Project, path: &str, within: Range) -> Vec<InlayHint> {
    let Some(file) = project.find(path) else { return Vec::new() };
    let all = project.hints(file).into_iter().filter_map(|hint| {
        let position = location(project, hint.at)?.range.end;
        Some(InlayHint {
            position,
            label: InlayHintLabel::String(hint.label),
            kind: None,
            text_edits: None,
            tooltip: Some(InlayHintTooltip::String(hint.explanation)),
            padding_left: Some(true),
            padding_right: None,
            data: None,
        })
    });
    all.filter(|hint| within.start <= hint.position && hint.position <= within.end).collect()
}

/// Every file of the project with what is wrong in it; files without a problem have an empty list.
pub fn diagnostics(project: &Project) -> Vec<(String, Vec<Diagnostic>)> {
    let mut files: Vec<(String, Vec<Diagnostic>)> = project.paths().map(|p| (p.to_owned(), Vec::new())).collect();
    for problem in project.problems() {
        let FileId(file) = problem.diagnostic.primary.file;
        if let Some((_, all)) = files.get_mut(file as usize) {
            all.push(diagnostic(project, &problem));
        }
    }
    files
}

fn diagnostic(project: &Project, problem: &Problem) -> Diagnostic {
    let found = &problem.diagnostic;
    let mut message = found.message.clone();
    if !problem.environments.is_empty() && problem.environments.len() < project.environments().count() {
        message.push_str(&format!(" (with --env {})", problem.environments.join(", --env ")));
    }
    if let Some(help) = &found.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    let related = found.related.iter().filter_map(|(span, what)| {
        Some(DiagnosticRelatedInformation { location: location(project, *span)?, message: what.clone() })
    });
    Diagnostic {
        range: location(project, found.primary).map_or_else(Range::default, |l| l.range),
        severity: Some(match found.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(found.code.to_string())),
        source: Some("archgen".to_owned()),
        message,
        related_information: Some(related.collect()),
        ..Diagnostic::default()
    }
}
