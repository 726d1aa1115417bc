//! AG030: a reference to something that is not declared.

use super::{Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(30),
    title: "a reference names nothing",
    why: "Every name that is used must be declared: a service, a store, a dataset of a store, a secret or a zone.",
    fix: "Correct the spelling, or declare what is missing.",
    before: r#"services:
  search: { port: 9600, needs: [usr] }
  user: { port: 9300 }
"#,
    after: r#"services:
  search: { port: 9600, needs: [user] }
  user: { port: 9300 }
"#,
};

/// `name` is none of the declared ones.
pub fn at(span: Span, name: &str, what: &str, declared: &[&str]) -> Diagnostic {
    let shown: String = name.chars().take(60).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("there is no {what} `{shown}`"))
        .with_help(suggestion::help(name, "declared", declared))
        .with_fix(suggestion::fix(span, name, declared.iter().copied()))
}

/// A whole section is missing that could declare `name`: one cause, however many names are used.
pub fn in_section(span: Span, name: &str, what: &str, section: &str, declared: &[&str]) -> Diagnostic {
    let help = suggestion::help(name, "declared", declared);
    at(span, name, what, declared)
        .with_help(format!("{help}; this spec has no section `{section}:`"))
        .with_cause(format!("{section}:"))
}

/// The store has no such table, collection, topic, index or bucket.
pub fn in_store(span: Span, name: &str, what: &str, store: &str, declared: &[&str]) -> Diagnostic {
    let shown: String = name.chars().take(60).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("there is no {what} `{shown}` in the store `{store}`"))
        .with_help(suggestion::help(name, "declared", declared))
        .with_fix(suggestion::fix(span, name, declared.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
