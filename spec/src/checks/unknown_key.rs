//! AG010: a key that the section does not have.

use super::{Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(10),
    title: "a key is not known here",
    why: "A misspelt key would otherwise be ignored, and the default would silently apply.",
    fix: "Correct the spelling, or move the key to the section that has it; the message lists the keys of this section.",
    before: r#"registry:
  kind: consul
  server: 3
"#,
    after: r#"registry:
  kind: consul
  servers: 3
"#,
};

/// `key` is none of `known`.
pub fn at(span: Span, key: &str, subject: &str, known: &[&str]) -> Diagnostic {
    let shown: String = key.chars().take(60).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("unknown key `{shown}` in {subject}"))
        .with_help(suggestion::help(key, "known keys", known))
        .with_fix(suggestion::fix(span, key, known.iter().copied()))
}

/// The key that a misspelt one probably means.
pub fn meant<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    suggestion::nearest(key, known.iter().copied())
}

/// Keys for a help line.
pub fn list(known: &[&str]) -> String {
    suggestion::listed(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn the_help_names_the_nearest_key() {
        let loaded = crate::checks::testing::loaded(EXPLANATION.before);
        let help = loaded.diagnostics[0].help.as_deref().unwrap_or("");
        assert!(help.starts_with("did you mean `servers`? known keys: `kind`"), "{help}");
    }
}
