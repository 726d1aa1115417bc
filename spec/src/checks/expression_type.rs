//! AG063: a value of the wrong type in an expression, or an expression that is not true or false.

use super::Explanation;
use crate::diagnostic::Code;

/// What the code means. [`super::rules::faulty`] reports it.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(63),
    title: "an expression has the wrong type",
    why: "A policy is kept or broken: its expression must be true or false. Types are checked before anything is asked, also where a list is empty today, so that a policy cannot begin to fail when the first store is added.",
    fix: "Compare what is counted (`>= 2`), say how a list is gone through (`.all(s, …)`), and write numbers with a fraction beside numbers with a fraction.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - { id: spread, every: store, check: store.replicas }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - { id: spread, every: store, check: store.replicas >= 2 }
"#,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
