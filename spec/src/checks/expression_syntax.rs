//! AG061: the expression of a policy or test cannot be read.

use super::Explanation;
use crate::diagnostic::Code;

/// What the code means. [`super::rules::faulty`] reports it.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(61),
    title: "an expression cannot be read",
    why: "Policies and tests are written in CEL: `store.replicas >= 2 && store.kind != \"s3\"`. An expression that cannot be read is asked of nothing, and the promise that it stands for is kept by nobody.",
    fix: "Write it as the message says. `&&`, `||` and `!` are words elsewhere; a share is a number (`0.7` for 70 %); inside `{ … }` an expression with a comma or a bracket stands in quotes, and so does one that begins with `!`, `[` or a quote.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - { id: spread, every: store, check: store.replicas >= 2 and store.nodes >= 2 }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - { id: spread, every: store, check: store.replicas >= 2 && store.nodes >= 2 }
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
