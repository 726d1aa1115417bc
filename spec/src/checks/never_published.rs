//! AG039: a topic is consumed, but nobody publishes to it.

use std::collections::BTreeSet;

use super::{Context, Explanation, datasets_of};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetRef;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(39),
    title: "nobody publishes to a consumed topic",
    why: "The consumer waits for events that never come: search stays empty, notifications are never sent, and nothing fails visibly.",
    fix: "Name the topic under `publishes` of the service that writes it, or stop consuming it.",
    before: r#"services:
  search: { port: 9600, consumes: [events.message] }
stores:
  events: { kind: kafka, version: "3.7", topics: { message: { retain: 7d } } }
"#,
    after: r#"services:
  messaging: { port: 9200, publishes: [events.message] }
  search: { port: 9600, consumes: [events.message] }
stores:
  events: { kind: kafka, version: "3.7", topics: { message: { retain: 7d } } }
"#,
};

/// Consumed topics against published ones.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    let published: BTreeSet<DatasetRef> = topology.services.iter().flat_map(|s| s.publishes.iter().copied()).collect();
    for (named, service) in context.services.iter().zip(&topology.services) {
        let written = named.value.consumes.iter().flat_map(|c| &c.value);
        for (topic, name) in service.consumes.iter().zip(written).filter(|(topic, _)| !published.contains(topic)) {
            let store = &context.stores[topic.store.0];
            let message = format!("`{}` consumes `{}`, to which nobody publishes", service.name, name.value);
            let declared = datasets_of(&store.value).get(topic.dataset).map_or(store.name.span, |d| d.name.span);
            out.push(
                Diagnostic::warning(EXPLANATION.code, name.span, message)
                    .with_help(format!("add `publishes: [{}]` to the service that writes it", name.value))
                    .with_related(declared, "the topic is declared here"),
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
