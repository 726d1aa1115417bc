//! AG066: a waiver of a policy that holds.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(66),
    title: "a waiver waives nothing",
    why: "The policy holds: what was waived has been mended. A waiver that stays would hide it when the policy is broken the next time.",
    fix: "Remove `waive`.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - id: spread
    every: store
    check: store.replicas >= 2
    waive: { until: 2040-01-31, why: the second machine comes in January }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - id: spread
    every: store
    check: store.replicas >= 2
"#,
};

/// A waived policy holds.
pub fn at(id: &str, waiver: Span) -> Diagnostic {
    let message = format!("the policy `{id}` holds: there is nothing to waive");
    Diagnostic::warning(EXPLANATION.code, waiver, message).with_help("remove `waive`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
