//! AG110: a promise that no part of the system makes.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::{Invariant, ServiceKind};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(110),
    title: "an invariant that nothing provides",
    why: "The simulator judges promises by what the parts do: notifications need a notification service, search a search service. Without them the promise holds emptily, and the run proves nothing.",
    fix: "Remove the invariant, or add the service.",
    before: r#"services:
  messaging: { port: 9200 }
sim:
  invariants: [acked-not-lost, search-converges]
"#,
    after: r#"services:
  messaging: { port: 9200 }
sim:
  invariants: [acked-not-lost]
"#,
};

/// The kind of service that keeps a promise.
fn keeper(invariant: Invariant) -> (ServiceKind, &'static str) {
    match invariant {
        Invariant::AckedNotLost | Invariant::PerChannelOrder | Invariant::ExactlyOnceEffect => {
            (ServiceKind::Messaging, "messaging")
        }
        Invariant::NotifiedAtLeastOnce => (ServiceKind::Notification, "notification"),
        Invariant::SearchConverges => (ServiceKind::Search, "search"),
        Invariant::RevokedMeansOut => (ServiceKind::User, "user"),
    }
}

/// Written invariants against the kinds of services.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let written = context.spec.sim.iter().flat_map(|s| &s.value.invariants).flat_map(|i| &i.value);
    for invariant in written {
        let (kind, word) = keeper(invariant.value);
        if !context.topology.services.iter().any(|s| s.kind == kind) {
            let message = format!("no service provides `{}`", invariant.value.name());
            out.push(
                Diagnostic::error(EXPLANATION.code, invariant.span, message)
                    .with_help(format!("remove it, or add a service with `kind: {word}`")),
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
