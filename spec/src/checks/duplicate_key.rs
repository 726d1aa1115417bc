//! AG002: a key stands twice in one mapping.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(2),
    title: "a key is given twice",
    why: "Most YAML readers silently keep the last of two equal keys, so that a whole service can vanish from a system unseen.",
    fix: "Remove one of the two, or give it another name.",
    before: r#"vars:
  keep: 30d
  keep: 90d
"#,
    after: r#"vars:
  keep: 90d
"#,
};

/// `key` stands here again.
pub fn at(span: Span, key: &str, first: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("`{key}` is given twice"))
        .with_help("remove one of the two, or give it another name")
        .with_related(first, "first given here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
