//! AG012: a quantity has no accepted form.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(12),
    title: "a quantity is not in an accepted form",
    why: "Quantities carry their unit, so that nobody has to guess whether `30` means seconds or days.",
    fix: "Write a whole number and one of the units that the message lists.",
    before: r#"load:
  messages: { size: 900 }
"#,
    after: r#"load:
  messages: { size: 900B }
"#,
};

/// `text` is no such quantity.
pub fn at(span: Span, text: &str, what: &str, forms: &str) -> Diagnostic {
    let shown: String = text.chars().take(60).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("\"{shown}\" is not {what}"))
        .with_help(format!("accepted forms: {forms}"))
}

/// The same with what is probably meant.
pub fn guessed(span: Span, text: &str, what: &str, forms: &str, guess: Option<String>) -> Diagnostic {
    let fault = at(span, text, what, forms);
    match guess {
        Some(guess) => fault
            .with_help(format!("did you mean `{guess}`? accepted forms: {forms}"))
            .with_fix(Fix::replace(span, guess)),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
