//! AG023: `${…}` names no variable.

use super::{Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(23),
    title: "a variable is not known",
    why: "Substitution knows `${vars.NAME}` from the `vars:` section and `${env.NAME}` from the environment of the command, nothing else: there is no logic in a spec.",
    fix: "Declare it under `vars:`, or correct the spelling. Write `$${` for a literal `${`.",
    before: r#"vars: { centre: eu }
registry: { kind: consul, datacenter: "${vars.center}" }
"#,
    after: r#"vars: { centre: eu }
registry: { kind: consul, datacenter: "${vars.centre}" }
"#,
};

/// `${vars.name}` where `name` is none of the declared ones; where the name itself stands is known unless the value was unescaped.
pub fn at(span: Span, name: &str, place: Option<Span>, declared: &[&str]) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("the variable `{name}` is not declared under `vars:`"))
        .with_help(suggestion::help(name, "declared variables", declared))
        .with_fix(place.and_then(|place| suggestion::fix(place, name, declared.iter().copied())))
}

/// `${…}` of another form, or without its end.
pub fn form(span: Span, inner: &str) -> Diagnostic {
    let shown: String = inner.chars().take(60).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("`${{{shown}` is not a variable"))
        .with_help("accepted forms: `${vars.name}`, `${env.NAME}`; write `$${` for a literal `${`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
