//! AG006: several documents in one file.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(6),
    title: "the file holds several documents",
    why: "One file is one system. A second document after `---` would be read by some tools and ignored by others.",
    fix: "Put the second system into a file of its own.",
    before: r#"zones: [eu-a]
---
name: other
"#,
    after: r#"zones: [eu-a]
"#,
};

/// A second document starts here.
pub fn at(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "a second document starts here; a spec is one document")
        .with_help("put it into a file of its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
