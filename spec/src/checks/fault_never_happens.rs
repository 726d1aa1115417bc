//! AG115: a fault that never happens.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(115),
    title: "a fault has the probability nought",
    why: "A fault with `p: 0` is never drawn: the run looks as if it had been tried.",
    fix: "Give it a probability, or remove it.",
    before: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  faults:
    - { kind: crash, on: messaging, p: 0 }
"#,
    after: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  faults:
    - { kind: crash, on: messaging, p: 0.1 }
"#,
};

/// Written probabilities.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for fault in context.faults() {
        if let Some(p) = fault.value.p.as_ref().filter(|p| p.value.0 <= 0.0) {
            out.push(
                Diagnostic::warning(EXPLANATION.code, p.span, "this fault never happens")
                    .with_help("give it a probability above nought, or remove it"),
            );
        }
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
