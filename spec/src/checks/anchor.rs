//! AG005: anchors, aliases and merge keys.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(5),
    title: "anchors, aliases and merge keys are not allowed",
    why: "An alias makes a value come from somewhere else without saying so at the place where it is read; nested aliases can grow without end.",
    fix: "Use `vars:` with `${vars.name}` for a value and `defaults:` for settings that repeat.",
    before: r#"vars:
  keep: &keep 90d
"#,
    after: r#"vars:
  keep: 90d
"#,
};

const HELP: &str = "use `vars:` and `${vars.name}`, or `defaults:`";

/// `&name`.
pub fn anchor(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "anchors are not allowed in a spec").with_help(HELP)
}

/// `*name`.
pub fn alias(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "aliases are not allowed in a spec").with_help(HELP)
}

/// `<<:`.
pub fn merge_key(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "merge keys are not allowed in a spec").with_help(HELP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
