//! AG020: the asked-for environment is not declared.

use super::{Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(20),
    title: "the environment is not declared",
    why: "The environment that was asked for with `--env` has no overlay in this spec.",
    fix: "Name one of the declared environments, or declare it under `environments:`.",
    before: r#"# whole
archgen: v1
name: demo
environments: { prod: env/prod.yaml }
--- env/dev.yaml ---
zones: [eu-a]
"#,
    after: r#"archgen: v1
name: demo
environments: { dev: env/dev.yaml }
--- env/dev.yaml ---
zones: [eu-a]
"#,
};

/// `name` is none of the declared ones.
pub fn at(span: Span, name: &str, declared: &[&str]) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("the environment `{name}` is not declared"))
        .with_help(suggestion::help(name, "declared environments", declared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
