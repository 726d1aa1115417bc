//! AG013: a required key is missing.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
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

/// `key` is missing in the section named here.
pub fn at(span: Span, key: &str, subject: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("{subject} lacks the key `{key}`"))
        .with_help(format!("add `{key}:`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
