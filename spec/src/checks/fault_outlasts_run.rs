//! AG111: a fault that lasts longer than the run.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::units::{Period, Unit};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(111),
    title: "a fault outlasts the run",
    why: "A fault that begins and never ends within the run shows nothing about recovery, which is where systems break.",
    fix: "Shorten the fault, or lengthen `duration`.",
    before: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  duration: 10s
  faults:
    - { kind: crash, on: messaging, for: 1s..30s, p: 0.1 }
"#,
    after: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  duration: 60s
  faults:
    - { kind: crash, on: messaging, for: 1s..30s, p: 0.1 }
"#,
};

/// The longest time of each fault against the run.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let duration = context.topology.simulation.duration;
    for fault in context.faults() {
        let Some(lasts) = fault.value.r#for.as_ref().filter(|l| l.value.1 >= duration) else { continue };
        let message = format!(
            "the fault may last {}, and the whole run {}",
            Period(lasts.value.1).print(),
            Period(duration).print()
        );
        out.push(
            Diagnostic::warning(EXPLANATION.code, lasts.span, message)
                .with_help("shorten it, or lengthen `sim.duration`, so that the system is seen to recover"),
        );
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
