//! AG016: a word that is none of the possible ones.

use super::{Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(16),
    title: "a word is not one of the possible ones",
    why: "The key takes one of a few words. Another word would have no meaning.",
    fix: "Use one of the words that the message lists.",
    before: r#"stores:
  cache: { kind: reddis, version: "7.2" }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2" }
"#,
};

/// `text` is none of `words`.
pub fn at(span: Span, text: &str, what: &str, words: &[&str]) -> Diagnostic {
    let shown: String = text.chars().take(60).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("`{shown}` is not {what}"))
        .with_help(help(text, words))
        .with_fix(suggestion::fix(span, text, words.iter().copied()))
}

/// The possible words for a help line.
pub fn help(text: &str, words: &[&str]) -> String {
    suggestion::help(text, "possible words", words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
