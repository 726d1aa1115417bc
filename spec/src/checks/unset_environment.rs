//! AG024: `${env.X}` is not set.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(24),
    title: "an environment variable is not set",
    why: "The spec asks for a value from the environment of the command, and there is none. An empty string in its place would travel far before it hurts.",
    fix: "Set the variable, or give the value under `vars:`.",
    before: r#"vars: { region: "${env.REGION_THAT_IS_NOT_SET}" }
"#,
    after: r#"vars: { region: "${env.REGION}" }
"#,
};

/// The variable is not set.
pub fn at(span: Span, name: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("the environment variable `{name}` is not set"))
        .with_help(format!("set it: `export {name}=…`, or give the value under `vars:`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
