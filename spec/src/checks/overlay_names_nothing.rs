//! AG022: an overlay changes something that is not there.

use super::{Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(22),
    title: "an overlay names nothing in the base",
    why: "An overlay changes the base. A misspelt service would otherwise become a new, nearly empty one.",
    fix: "Correct the name; or say `!add` where the new name is meant; or remove the `!unset`.",
    before: r#"environments: { dev: env/dev.yaml }
services:
  search: { port: 9600 }
--- env/dev.yaml ---
services:
  serch: { replicas: 1 }
"#,
    after: r#"environments: { dev: env/dev.yaml }
services:
  search: { port: 9600 }
--- env/dev.yaml ---
services:
  search: { replicas: 1 }
"#,
};

/// The base has no such name under `path`.
pub fn at(span: Span, name: &str, path: &str, declared: &[&str]) -> Diagnostic {
    let place = if path.is_empty() { "the base".to_owned() } else { format!("`{path}` of the base") };
    let known = suggestion::help(name, "declared there", declared);
    Diagnostic::error(EXPLANATION.code, span, format!("`{name}` names nothing in {place}"))
        .with_help(format!("{known}; write `!add` before the value if it is new on purpose"))
}

/// `!unset` of something that the base does not say.
pub fn unset(span: Span, name: &str, path: &str) -> Diagnostic {
    let place = if path.is_empty() { "the base".to_owned() } else { format!("`{path}` of the base") };
    Diagnostic::error(EXPLANATION.code, span, format!("`!unset` of `{name}`, which {place} does not say"))
        .with_help("remove this line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
