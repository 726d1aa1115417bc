//! AG112: no time to recover.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::ServiceKind;
use crate::units::{Period, Unit};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(112),
    title: "the system gets too little time to settle",
    why: "After the last fault a lease of a dead owner has to run out before another may take over. A run that is judged before that reports losses that are none.",
    fix: "Lengthen `settle` to twice the longest lease, or more.",
    before: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  settle: 3s
"#,
    after: r#"services:
  messaging: { port: 9200, needs: [chat] }
  user: { port: 9300 }
stores:
  chat: { kind: cassandra, embedded: true }
sim:
  settle: 8s
"#,
};

/// `settle` against the longest lease.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let written = context.spec.sim.as_ref().and_then(|s| s.value.settle.as_ref());
    let messaging = context.topology.services.iter().filter(|s| s.kind == ServiceKind::Messaging);
    let (Some(settle), Some(lease)) = (written, messaging.map(|s| s.lease).max()) else { return };
    if settle.value.0 < lease * 2 {
        let message = format!("`settle` {} is less than two leases of {}", settle.value.print(), Period(lease).print());
        out.push(
            Diagnostic::warning(EXPLANATION.code, settle.span, message)
                .with_help(format!("write {} or more", Period(lease * 2).print())),
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
