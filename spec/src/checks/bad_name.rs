//! AG015: a name that cannot be used everywhere.

use super::{Context, Explanation};
use crate::ast::is_name;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Span, Spanned};
use crate::topology::SecretSource;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(15),
    title: "a name is not usable",
    why: "Names become host names, DNS labels, file names, table names and metric labels. Only what is legal in all of them is allowed.",
    fix: "Components, zones and policies: lower-case letters, digits and `-`, a letter first, at most 40 characters. Tables, topics, columns: `_` instead of `-`, at most 48.",
    before: r#"services:
  Search_1: { kind: search, port: 9600 }
"#,
    after: r#"services:
  search-1: { kind: search, port: 9600 }
"#,
};

/// `text` is no name of a component.
pub fn at(span: Span, text: &str) -> Diagnostic {
    let shown: String = text.chars().take(60).collect();
    let fault = Diagnostic::error(EXPLANATION.code, span, format!("\"{shown}\" is not a usable name"));
    let rule = "names are lower-case letters, digits and `-`, a letter first, at most 40 characters";
    match better(text) {
        Some(better) => fault.with_help(format!("write `{better}`; {rule}")),
        None => fault.with_help(rule),
    }
}

/// The name of a component that a text was meant to be; `None` where it is one, or cannot be made one.
pub fn better(text: &str) -> Option<String> {
    let mut better: String = text.to_ascii_lowercase().replace(['_', ' ', '.'], "-");
    better.retain(|c| c.is_ascii_alphanumeric() || c == '-');
    (better != text && is_name(&better)).then_some(better)
}

fn inner(name: &Spanned<String>) -> Option<Diagnostic> {
    let text = &name.value;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let good = text.len() <= 48 && text.bytes().all(plain) && text.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    if good {
        return None;
    }
    let shown: String = text.chars().take(60).collect();
    let fault = Diagnostic::error(EXPLANATION.code, name.span, format!("\"{shown}\" is not a usable name"));
    Some(fault.with_help(
        "names inside a store are lower-case letters, digits and `_`, no digit first, at most 48 characters",
    ))
}

/// A name in an environment: letters, digits and `_`, no digit first.
fn variable(name: &Spanned<String>) -> Option<Diagnostic> {
    let text = &name.value;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let good = (1..=128).contains(&text.len()) && text.bytes().all(plain) && !text.as_bytes()[0].is_ascii_digit();
    let shown: String = text.chars().take(60).collect();
    let fault = Diagnostic::error(EXPLANATION.code, name.span, format!("\"{shown}\" is not a usable name"));
    (!good).then(|| fault.with_help("environment variables are letters, digits and `_`, no digit first"))
}

/// Names that are keys: services, stores, and what is in the stores.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let zones = context.spec.zones.iter().flat_map(|z| &z.value);
    out.extend(zones.filter(|z| !is_name(&z.value)).map(|z| at(z.span, &z.value)));
    let components = context.services.iter().map(|s| &s.name).chain(context.stores.iter().map(|s| &s.name));
    for name in components {
        if !is_name(&name.value) {
            out.push(at(name.span, &name.value));
        }
    }
    let environments = context.services.iter().flat_map(|s| &s.value.env).flat_map(|e| &e.value);
    out.extend(environments.filter_map(|e| variable(&e.name)));
    let centres = context.stores.iter().flat_map(|s| &s.value.replication).flat_map(|r| &r.value);
    out.extend(centres.filter(|c| !is_name(&c.name.value)).map(|c| at(c.name.span, &c.name.value)));
    let secrets = context.spec.secrets.iter().flat_map(|s| &s.value);
    for secret in secrets {
        if let SecretSource::Environment(name) = &secret.value.value.0 {
            out.extend(variable(&Spanned { value: name.clone(), span: secret.value.span }));
        }
    }
    for (_, dataset) in context.datasets() {
        out.extend(inner(&dataset.name));
        let columns = dataset.value.columns.iter().flat_map(|c| &c.value);
        out.extend(columns.filter_map(|c| inner(&c.name)));
        let indexes = dataset.value.indexes.iter().flat_map(|i| &i.value);
        out.extend(indexes.filter_map(|i| inner(&i.name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn what_a_name_was_meant_to_be_is_neither_missing_nor_unknown() {
        let text = "realtime: { kind: socketio, port: 3000, needs: [user] }\nservices:\n  User: { port: 9300 }\n";
        let codes = crate::checks::testing::codes(text);
        assert_eq!(codes, [(EXPLANATION.code, crate::diagnostic::Severity::Error)]);
    }
}
