//! AG007: a YAML tag that means nothing here.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(7),
    title: "a tag has no meaning here",
    why: "Only overlays know tags, and only three: `!unset`, `!replace` and `!add`. Types follow from the key and need no tag.",
    fix: "Remove the tag; in an overlay, use one of the three.",
    before: r#"zones: !set [eu-a]
"#,
    after: r#"zones: [eu-a]
"#,
};

/// A tag that is none of ours.
pub fn at(span: Span, tag: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("the tag `{tag}` has no meaning in a spec"))
        .with_help("overlays know `!unset`, `!replace` and `!add`; nothing else needs a tag")
}

/// One of ours outside an overlay.
pub fn in_base(span: Span, tag: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("`{tag}` has a meaning only in an overlay"))
        .with_help("remove the tag")
}

/// `!unset` before a value.
pub fn with_value(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "`!unset` takes no value")
        .with_help("remove the value, or remove the tag if the value is to apply")
}

/// One of ours where an overlay merges nothing.
pub fn idle(span: Span, tag: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("`{tag}` has nothing to act on here"))
        .with_help("the value around it replaces the base's whole value; remove the tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn overlay_tags_are_refused_in_the_base() {
        let codes = crate::checks::testing::codes("zones: !replace [eu-a]\n");
        assert_eq!(codes, [(EXPLANATION.code, crate::diagnostic::Severity::Error)]);
    }
}
