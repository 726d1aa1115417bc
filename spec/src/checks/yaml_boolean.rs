//! AG017: `yes`, `no`, `on`, `off` where a boolean is due.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(17),
    title: "a YAML 1.1 boolean",
    why: "YAML 1.1 reads `no` as false and YAML 1.2 reads it as text; tools differ. A spec has one way to say it.",
    fix: "Write `true` or `false`.",
    before: r#"stores:
  cache: { kind: redis, embedded: yes }
"#,
    after: r#"stores:
  cache: { kind: redis, embedded: true }
"#,
};

/// What YAML 1.1 and common slips take the word for.
pub fn meaning(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "true" => Some(true),
        "no" | "n" | "off" | "false" => Some(false),
        _ => None,
    }
}

/// Such a word stands here.
pub fn at(span: Span, text: &str) -> Diagnostic {
    let meant = meaning(text).unwrap_or(false);
    Diagnostic::error(EXPLANATION.code, span, format!("`{text}` is not a boolean here"))
        .with_help(format!("write `{meant}`"))
        .with_fix(Fix::replace(span, meant.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
