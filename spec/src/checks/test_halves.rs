//! AG068: a test that is neither an assertion nor a scenario.

use super::{Context, Explanation};
use crate::ast::Test;
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(68),
    title: "a test that says half of what it asks",
    why: "A test is an assertion on the planned system (`check`, with `every` and `load` as needed) or a scenario for the simulator (`lose`, `expect`). Half of one can only pass.",
    fix: "Write the key that is missing, or make two tests of one.",
    before: r#"zones: [eu-a, eu-b, eu-c]
services:
  messaging: { port: 9200 }
tests:
  - { id: zone-outage, lose: zone eu-b for 10s }
"#,
    after: r#"zones: [eu-a, eu-b, eu-c]
services:
  messaging: { port: 9200 }
tests:
  - { id: zone-outage, lose: zone eu-b for 10s, expect: [acked-not-lost] }
"#,
};

/// What is missing or too much.
fn fault(test: &Test) -> Option<String> {
    let said = |key: &str| test.said.contains(&key);
    let expects = test.expect.as_ref().is_none_or(|e| !e.value.is_empty());
    match (said("check"), said("lose"), said("expect")) {
        (false, false, false) => Some("asks nothing: it has neither `check` nor `lose` and `expect`".to_owned()),
        (true, false, false) => None,
        (true, ..) => Some("is an assertion and a scenario at once: `check` belongs to a test of its own".to_owned()),
        (false, true, false) => Some("loses something and expects nothing of it: `expect` is missing".to_owned()),
        (false, false, true) => Some("expects something and loses nothing: `lose` is missing".to_owned()),
        (false, true, true) if !expects => Some("expects nothing: `expect` is empty".to_owned()),
        (false, true, true) => {
            let idle = ["every", "load"].into_iter().find(|key| said(key))?;
            Some(format!("is a scenario, in which `{idle}` has no meaning"))
        }
    }
}

/// Every test.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for test in context.spec.tests.iter().flat_map(|t| &t.value) {
        let Some(what) = fault(&test.value) else { continue };
        let (id, span) = match &test.value.id {
            Some(id) => (format!("the test `{}`", id.value.0), id.span),
            None => ("the test".to_owned(), test.span),
        };
        let help = "write `check:` with an expression, or `lose: zone eu-b for 60s` with `expect: [acked-not-lost]`";
        out.push(Diagnostic::error(EXPLANATION.code, span, format!("{id} {what}")).with_help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
