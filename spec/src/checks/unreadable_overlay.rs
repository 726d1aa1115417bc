//! AG021: the overlay file cannot be read.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(21),
    title: "the overlay cannot be read",
    why: "The path under `environments:` is taken from the folder of the spec. It must lie inside that folder, exist, and be a text file.",
    fix: "Correct the path, or create the file.",
    before: r#"environments: { dev: env/development.yaml }
--- env/dev.yaml ---
zones: [eu-a]
"#,
    after: r#"environments: { dev: env/dev.yaml }
--- env/dev.yaml ---
zones: [eu-a]
"#,
};

/// The file cannot be read.
pub fn at(span: Span, path: &str, reason: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("cannot read the overlay `{path}`: {reason}"))
        .with_help("the path is taken from the folder of the spec")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
