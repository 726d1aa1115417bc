//! AG001: the text is no YAML.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(1),
    title: "the file is not valid YAML",
    why: "Nothing after the fault can be read with certainty, so nothing after it is reported: mend it and run again.",
    fix: "Look at the marked place and just before it: an unclosed bracket or quote, a tab used as indentation, a missing space after `:`.",
    before: r#"zones: [eu-a, eu-b
"#,
    after: r#"zones: [eu-a, eu-b]
"#,
};

/// The parser gave up here.
pub fn at(span: Span, reason: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("invalid YAML: {}", reason.trim_end_matches('.').to_lowercase()))
        .with_help("nothing after this place was read; mend it and run again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
