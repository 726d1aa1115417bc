//! AG014: a value of the right form is not possible.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(14),
    title: "a value is out of range",
    why: "The value is well formed, but no system can be built with it: a port above 65535, a probability above 1.",
    fix: "Choose a value within the bounds that the message names.",
    before: r#"realtime: { kind: socketio, port: 70000 }
"#,
    after: r#"realtime: { kind: socketio, port: 3000 }
"#,
};

/// `subject` breaks `bounds`.
pub fn at(span: Span, subject: &str, bounds: &str, found: Option<&str>) -> Diagnostic {
    let found = found.map_or_else(String::new, |f| format!(", found {}", f.chars().take(60).collect::<String>()));
    Diagnostic::error(EXPLANATION.code, span, format!("{subject} {bounds}{found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
