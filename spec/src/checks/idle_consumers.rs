//! AG104: more consumers than partitions.

use super::{Context, Explanation, datasets_of};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(104),
    title: "consumers without a partition",
    why: "Kafka gives a partition to one consumer of a group. Instances beyond the number of partitions receive nothing, and adding more of them does not help when the topic lags.",
    fix: "Give the topic as many partitions as the service has instances, or more: they cannot be taken away later.",
    before: r#"services:
  messaging: { port: 9200, publishes: [events.message] }
  search: { port: 9600, replicas: 8, consumes: [events.message] }
stores:
  events: { kind: kafka, version: "3.7", topics: { message: { partitions: 4, retain: 7d } } }
"#,
    after: r#"services:
  messaging: { port: 9200, publishes: [events.message] }
  search: { port: 9600, replicas: 8, consumes: [events.message] }
stores:
  events: { kind: kafka, version: "3.7", topics: { message: { partitions: 16, retain: 7d } } }
"#,
};

/// Instances of each consumer against the partitions of each topic.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    for (named, service) in context.services.iter().zip(&topology.services) {
        for (topic, name) in service.consumes.iter().zip(named.value.consumes.iter().flat_map(|c| &c.value)) {
            let DatasetShape::Topic { partitions, .. } = topology.store(topic.store).datasets[topic.dataset].shape
            else {
                continue;
            };
            if service.replicas <= partitions {
                continue;
            }
            let message = format!(
                "{} of {} instances of `{}` get no partition of `{}`",
                service.replicas - partitions,
                service.replicas,
                service.name,
                name.value
            );
            let declared = datasets_of(&context.stores[topic.store.0].value).get(topic.dataset);
            let mut fault = Diagnostic::warning(EXPLANATION.code, name.span, message)
                .with_help(format!("give the topic {} partitions or more", service.replicas));
            if let Some(declared) = declared {
                let span = declared.value.partitions.as_ref().map_or(declared.name.span, |p| p.span);
                fault = fault.with_related(span, format!("{partitions} partitions"));
            }
            out.push(fault);
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
