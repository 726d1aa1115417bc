//! AG113: a component cut off from itself.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(113),
    title: "a fault cuts a component from itself",
    why: "Both sides of the cut are the same component. Instances of one component talk through others, so that nothing is cut.",
    fix: "Name two different components.",
    before: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  faults:
    - { kind: partition, between: [messaging, messaging] }
"#,
    after: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  faults:
    - { kind: partition, between: [messaging, chat] }
"#,
};

/// Both sides of each partition.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for fault in context.faults() {
        let Some(sides) = &fault.value.between else { continue };
        let (one, other) = (&sides.value.0, &sides.value.1);
        if one.value == other.value {
            let message = format!("`{}` is on both sides of the cut", one.value);
            out.push(
                Diagnostic::error(EXPLANATION.code, other.span, message)
                    .with_help("name another component")
                    .with_related(one.span, "the one side"),
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
