//! AG011: a value has another type.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(11),
    title: "a value has the wrong type",
    why: "A list where a number is due, or a quoted number, is a slip that must not be guessed away.",
    fix: "Write the value in the form that the message names.",
    before: r#"registry:
  kind: consul
  servers: "3"
"#,
    after: r#"registry:
  kind: consul
  servers: 3
"#,
};

/// `subject` should have been something else.
pub fn at(span: Span, subject: &str, expected: &str, found: &str, help: Option<String>) -> Diagnostic {
    let fault = Diagnostic::error(EXPLANATION.code, span, format!("{subject} must be {expected}, found {found}"));
    Diagnostic { help, ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
