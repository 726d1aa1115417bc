//! AG003: the file is beyond the size budget.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{FILE_BYTES_MAX, FileId, Span};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(3),
    title: "the file is too large",
    why: "A spec is written by people. The budget of 16 MiB and two million values keeps a hostile file from taking memory and time.",
    fix: "Split the system, or check whether the file is what you meant to pass.",
    before: r#"# whole: a file of more than 16 MiB
"#,
    after: r#"archgen: v1
name: demo
"#,
};

/// The file has this many bytes.
pub fn bytes(file: FileId, found: usize) -> Diagnostic {
    let message = format!("the file is too large: {found} bytes, at most {FILE_BYTES_MAX} are read");
    Diagnostic::error(EXPLANATION.code, Span::start_of(file), message).with_help("is this the file you meant?")
}

/// The file has more values than are read.
pub fn values(span: Span, most: usize) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("the file is too large: more than {most} values"))
        .with_help("is this the file you meant?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_budget_is_refused_unread() {
        let text = "#".repeat(FILE_BYTES_MAX + 1);
        let codes = crate::checks::testing::codes(&format!("# whole{text}"));
        assert_eq!(codes, [(EXPLANATION.code, crate::diagnostic::Severity::Error)]);
    }
}
