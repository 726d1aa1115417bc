//! AG025: profiles that take each other.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(25),
    title: "profiles that take each other",
    why: "A profile may have the keys of another. In a circle no profile is the last, and which value wins would depend on where one begins to read.",
    fix: "Remove one `profile` of the circle; what several profiles have in common belongs to one that takes none of them.",
    before: r#"profiles:
  steady: { profile: patient, replicas: 3 }
  patient: { profile: steady, stop_within: 60s }
services:
  user: { profile: steady, port: 9300 }
"#,
    after: r#"profiles:
  steady: { profile: patient, replicas: 3 }
  patient: { stop_within: 60s }
services:
  user: { profile: steady, port: 9300 }
"#,
};

/// The profiles of a circle, in its order; `span` is where it closes.
pub fn at(span: Span, names: &[&str]) -> Diagnostic {
    let circle: Vec<&str> = names.iter().chain(names.first()).copied().collect();
    Diagnostic::error(EXPLANATION.code, span, format!("profiles take each other: {}", circle.join(" → ")))
        .with_help("remove one `profile` of the circle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn a_circle_is_printed_whole_and_once() {
        let text = "profiles:\n  a: { profile: b }\n  b: { profile: c }\n  c: { profile: b }\nservices:\n  user: { profile: a, port: 1 }\n";
        let loaded = crate::checks::testing::loaded(text);
        let messages: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(messages, ["profiles take each other: b → c → b"]);
    }
}
