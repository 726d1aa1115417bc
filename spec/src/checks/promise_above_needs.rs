//! AG106: a component that promises more than what it needs.

use std::collections::BTreeMap;

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::{Component, StoreKind, Topology};
use crate::units::Unit;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(106),
    title: "a component promises more than what it needs",
    why: "While what it needs is away, it cannot answer either: it is at most as good as the weakest of them. The promise would be broken by others, and its alarm wakes people who can do nothing about it.",
    fix: "Promise less, or let what it needs promise more.",
    before: r#"objectives: { success: 99.9%, components: { user: 99.99% } }
services:
  user: { port: 9300, needs: [cache] }
stores:
  cache: { kind: redis, embedded: true }
"#,
    after: r#"objectives: { success: 99.9%, components: { user: 99.99%, cache: 99.99% } }
services:
  user: { port: 9300, needs: [cache] }
stores:
  cache: { kind: redis, embedded: true }
"#,
};

/// Each promise that is written for a component against those of what it needs.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(objectives) = context.spec.objectives.as_ref().map(|o| &o.value) else { return };
    let promises: Vec<_> = objectives.components.iter().flat_map(|c| &c.value).collect();
    if promises.is_empty() {
        return;
    }
    let topology = context.topology;
    let all = topology.components().into_iter().map(|c| (topology.component_name(c), c));
    let all: BTreeMap<&str, Component> = all.collect();
    for promise in &promises {
        let Some(component) = all.get(promise.name.value.as_str()) else { continue };
        let needs = topology.component_needs(*component).into_iter().filter(|need| is_waited_for(topology, *need));
        let weakest = needs.map(|need| topology.component_name(need)).max_by_key(|name| topology.objectives.of(name));
        let Some((name, least)) = weakest.map(|name| (name, topology.objectives.of(name))) else { continue };
        // What is larger leaves more failures.
        if least <= promise.value {
            continue;
        }
        let (own, least) = (promise.value.print(), least.print());
        let message = format!("`{}` promises {own}, and `{name}`, which it needs, {least}", promise.name.value);
        let help = format!("promise at most {least}, or let `{name}` promise {own}");
        let mut fault = Diagnostic::warning(EXPLANATION.code, promise.name.span, message).with_help(help);
        if let Some(other) = promises.iter().find(|p| p.name.value == name) {
            fault = fault.with_related(other.name.span, format!("`{name}` promises {least}"));
        } else if let Some(success) = &objectives.success {
            fault = fault.with_related(success.span, format!("what everything else promises, `{name}` too"));
        }
        out.push(fault);
    }
}

/// Whether a caller cannot answer without it: the registry is asked beforehand, and events are written behind the answer.
fn is_waited_for(topology: &Topology, need: Component) -> bool {
    match need {
        Component::Registry => false,
        Component::Store(id) => topology.store(id).kind != StoreKind::Kafka,
        Component::Service(_) | Component::Realtime | Component::Gateway => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::{holds, loaded};

    #[test]
    fn example_holds() {
        holds(&EXPLANATION);
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        for (value, message) in [
            ("100%", "is out of range: an objective is at most 99.999%"),
            ("50%", "is out of range: an objective is at least 94%"),
        ] {
            let found = loaded(&format!("objectives: {{ success: {value} }}\n")).diagnostics;
            assert!(found.len() == 1 && found[0].message.contains(message), "{value}: {found:#?}");
        }
        let found = loaded("objectives: { success: 0.999 }\n").diagnostics;
        assert_eq!(found[0].fix.as_ref().map(|fix| fix.edits[0].replacement.as_str()), Some("99.9%"), "{found:#?}");
    }

    #[test]
    fn the_default_is_three_nines() {
        let loaded = loaded(
            "objectives: { components: { cache: 99% } }\nservices:\n  user: { port: 9300, needs: [cache] }\nstores:\n  cache: { kind: redis, embedded: true }\n",
        );
        assert_eq!(loaded.diagnostics, []);
        let objectives = loaded.topology.expect("a topology").objectives;
        assert_eq!((objectives.of("user").print(), objectives.of("cache").print()), ("99.9%".into(), "99%".into()));
    }
}
