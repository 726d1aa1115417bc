//! AG013: a required key is missing.

use super::{Explanation, suggestion};
use crate::ast::Shape;
use crate::diagnostic::{Code, Diagnostic};
use crate::reference::language;
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(13),
    title: "a required key is missing",
    why: "The key has no default that would be right for every system.",
    fix: "Add the key.",
    before: r#"services:
  search: { replicas: 2 }
"#,
    after: r#"services:
  search: { port: 9600, replicas: 2 }
"#,
};

/// `key` is missing in the section named here, to which these names lead.
pub fn at(span: Span, names: &[&str], key: &str, subject: &str) -> Diagnostic {
    let path: Vec<&str> = names.iter().copied().chain([key]).collect();
    let help = match language().at(&path).map(|known| (&known.shape, known.entry.example)) {
        Some((Shape::Choice { words, .. }, _)) if words.len() > 1 => {
            format!("add `{key}:`, one of {}", suggestion::listed(words))
        }
        Some((_, example)) => format!("add it, for example `{key}: {example}`"),
        None => format!("add `{key}:`"),
    };
    Diagnostic::error(EXPLANATION.code, span, format!("{subject} lacks the key `{key}`"))
        .with_help(help)
        .with_cause(path.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
