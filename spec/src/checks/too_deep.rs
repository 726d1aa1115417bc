//! AG004: mappings and lists nest too deeply.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{DEPTH_MAX, Span};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(4),
    title: "the file nests too deeply",
    why: "No spec needs more than a handful of levels. A file that nests 64 levels deep is an accident or an attack on the reader.",
    fix: "Flatten the marked structure.",
    before: r#"vars: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
"#,
    after: r#"vars: {}
"#,
};

/// The budget ends here.
pub fn at(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("the file nests too deeply: more than {DEPTH_MAX} levels"))
        .with_help("no key of a spec lies deeper than seven levels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
