//! AG062: an expression names something that there is not.

use super::Explanation;
use crate::diagnostic::Code;

/// What the code means. [`super::rules::faulty`] reports it.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(62),
    title: "an unknown fact",
    why: "A misspelt fact that counted as absent would make a policy hold, or be broken, for ever, whatever the system is. So only the facts that archgen has may be named; the reference lists them.",
    fix: "Write the fact that the message offers. One of many things (`store`) has a name only where `every` says that the policy is asked of each; all of them are `stores`.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - { id: spread, every: store, check: store.replcas >= 2 }
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
