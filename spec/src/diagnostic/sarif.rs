//! The SARIF 2.1.0 rendering, for code scanning services and editors.

use serde_json::{Value, json};

use super::{Diagnostic, Fix, Severity};
use crate::checks::codes;
use crate::source::{Sources, Span};

/// Renders several specs as one SARIF log with one run, without a final line break. Columns count characters.
pub fn sarif_of_all(specs: &[(&[Diagnostic], &Sources)]) -> String {
    let rules: Vec<Value> = codes()
        .iter()
        .map(|e| {
            json!({
                "id": e.code.to_string(),
                "shortDescription": { "text": sentence(e.title) },
                "fullDescription": { "text": e.why },
                "help": { "text": e.fix },
            })
        })
        .collect();
    let all = specs.iter().flat_map(|(diagnostics, sources)| diagnostics.iter().map(move |d| (d, *sources)));
    let results: Vec<Value> = all.map(|(d, sources)| result(d, sources)).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "archgen", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    log.to_string()
}

fn result(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let text = match &diagnostic.help {
        Some(help) => format!("{} Help: {help}", sentence(&diagnostic.message)),
        None => sentence(&diagnostic.message),
    };
    let mut result = json!({
        "ruleId": diagnostic.code.to_string(),
        "level": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": { "text": text },
        "locations": [{ "physicalLocation": place(sources, diagnostic.primary) }],
    });
    if let Some(index) = codes().iter().position(|e| e.code == diagnostic.code) {
        result["ruleIndex"] = index.into();
    }
    let related = diagnostic.related.iter().enumerate().map(|(id, (span, what))| {
        json!({ "id": id, "message": { "text": what }, "physicalLocation": place(sources, *span) })
    });
    if !diagnostic.related.is_empty() {
        result["relatedLocations"] = related.collect();
    }
    if let Some(fix) = &diagnostic.fix {
        result["fixes"] = json!([change(fix, sources)]);
    }
    result
}

/// SARIF wants sentences where ours are fragments.
fn sentence(fragment: &str) -> String {
    let mut characters = fragment.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", characters.as_str())
}

fn place(sources: &Sources, span: Span) -> Value {
    json!({ "artifactLocation": { "uri": uri(sources.path(span.file)) }, "region": region(sources, span) })
}

fn region(sources: &Sources, span: Span) -> Value {
    let start = sources.position(span.file, span.start);
    let end = sources.position(span.file, span.end);
    json!({ "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column })
}

fn change(fix: &Fix, sources: &Sources) -> Value {
    let mut files: Vec<_> = fix.edits.iter().map(|e| e.span.file).collect();
    files.dedup();
    let changes = files.iter().map(|file| {
        let edits = fix.edits.iter().filter(|e| e.span.file == *file);
        let replacements = edits
            .map(|e| json!({ "deletedRegion": region(sources, e.span), "insertedContent": { "text": e.replacement } }));
        json!({
            "artifactLocation": { "uri": uri(sources.path(*file)) },
            "replacements": replacements.collect::<Vec<_>>(),
        })
    });
    json!({ "description": { "text": sentence(&fix.title) }, "artifactChanges": changes.collect::<Vec<_>>() })
}

/// A path as a relative or absolute URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut text = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'\\' => text.push('/'),
            b if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) => text.push(char::from(b)),
            b => text.push_str(&format!("%{b:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("examples/a b.yaml"), "examples/a%20b.yaml");
        assert_eq!(uri("/tmp/é.yaml"), "file:///tmp/%C3%A9.yaml");
    }
}
