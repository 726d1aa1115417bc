//! AG060: the system breaks a policy of its own.

use super::Explanation;
use super::rules::{Broken, Judged};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(60),
    title: "a policy is broken",
    why: "A policy is a promise that the spec makes about itself, in CEL over the facts of the resolved system: `every: store` and `check: store.replicas >= 2`. Whoever changes the system later learns of the promise here, and not from the outage that it was made to prevent.",
    fix: "Change what the message points at, or the policy; or waive it until a day, with the reason.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2 }
policies:
  - { id: spread, every: store, check: store.replicas >= 2 }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - { id: spread, every: store, check: store.replicas >= 2 }
"#,
};

/// A policy does not hold.
pub fn at(policy: &Judged<'_>, broken: &Broken) -> Diagnostic {
    let dash = if broken.what.is_empty() { "" } else { ": " };
    let message = format!("the policy `{}` is broken{dash}{}", policy.id, broken.what);
    let mut fault = Diagnostic::error(EXPLANATION.code, policy.text.span, message);
    fault.severity = policy.severity;
    for (span, what) in &broken.places {
        fault = fault.with_related(*span, what.clone());
    }
    fault.with_help("change what it asks about, or the policy; or waive it: `waive: { until: 2027-01-31, why: … }`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::{codes, loaded};
    use crate::diagnostic::Severity;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn whose_figures_are_wrong_is_said() {
        let text = "stores:\n  a: { kind: redis, version: '7.2' }\n  b: { kind: redis, version: '7.2', nodes: 2, replicas: 1 }\n\
                    policies: [{ id: p, every: store, check: \"store.replicas >= 2 || store.kind == 's3'\", level: warn }]\n";
        let loaded = loaded(text);
        let [only] = loaded.diagnostics.as_slice() else { panic!("{:?}", loaded.diagnostics) };
        assert_eq!(only.message, "the policy `p` is broken: `a`: store.replicas is 1, store.kind is \"redis\"");
        assert_eq!(only.severity, Severity::Warning);
        assert_eq!(loaded.sources.slice(only.related[0].0), "a");
    }

    #[test]
    fn a_system_is_asked_as_a_whole_and_a_capacity_by_its_share() {
        let head = "load: { users: 5M, online: 700k }\nrealtime: { kind: socketio, replicas: 4, connections_per_replica: 250k }\n";
        let policy = |check: &str, every: &str| format!("{head}policies: [{{ id: p, {every}check: '{check}' }}]\n");
        assert_eq!(codes(&policy("load.online <= 700000", "")), []);
        assert_eq!(codes(&policy("realtime.replicas % 2 == 1", "")).len(), 1);
        assert_eq!(codes(&policy("capacity.used <= 0.7", "every: capacity, ")), []);
        assert_eq!(codes(&policy("capacity.used <= 0.69", "every: capacity, ")).len(), 1);
    }
}
