//! AG114: a cut between components that never talk.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(114),
    title: "a fault cuts what is not connected",
    why: "Neither of the two calls the other. The cut has no effect, and the run proves nothing about it.",
    fix: "Cut a component from one that it needs.",
    before: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  faults:
    - { kind: partition, between: [user, chat] }
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

/// Partitions against who calls whom, in both directions.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    for fault in context.faults() {
        let Some(sides) = &fault.value.between else { continue };
        let (one, other) = (&sides.value.0, &sides.value.1);
        let (Some(a), Some(b)) = (topology.component_named(&one.value), topology.component_named(&other.value)) else {
            continue;
        };
        let talk = topology.component_calls(a).contains(&b) || topology.component_calls(b).contains(&a);
        if !talk && a != b {
            let message = format!("`{}` and `{}` never talk to each other", one.value, other.value);
            out.push(
                Diagnostic::warning(EXPLANATION.code, fault.span, message)
                    .with_help("cut a component from one that it needs"),
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

    #[test]
    fn who_talks_although_no_needs_say_so_is_no_stranger() {
        let talking = EXPLANATION.before.replace("between: [user, chat]", "between: [messaging, user]");
        let loaded = crate::checks::testing::loaded(&talking);
        let strangers = loaded.diagnostics.iter().filter(|d| d.code == EXPLANATION.code).count();
        assert_eq!(strangers, 0, "{:?}", loaded.diagnostics);
    }
}
