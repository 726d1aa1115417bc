//! AG043: a write would need more replicas than there are.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(43),
    title: "`min_insync` is above `replicas`",
    why: "A write that asks for all in-sync replicas is refused while fewer than `min_insync` are there. Above `replicas` it is refused for ever; equal to it, one lost broker stops all writes.",
    fix: "Set `min_insync` below `replicas`: 2 of 3 is usual.",
    before: r#"stores:
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { message: { replicas: 2, min_insync: 3, retain: 7d } } }
"#,
    after: r#"stores:
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { message: { replicas: 3, min_insync: 2, retain: 7d } } }
"#,
};

/// Each topic's `min_insync` against its replicas.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, index, topic) in context.indexed_datasets() {
        let DatasetShape::Topic { replicas, .. } = context.topology.stores[store].datasets[index].shape else {
            continue;
        };
        let Some(least) = &topic.value.min_insync else { continue };
        if least.value > replicas {
            let message = format!(
                "`min_insync` {} is above the {replicas} replica{} of `{}`",
                least.value,
                if replicas == 1 { "" } else { "s" },
                topic.name.value
            );
            let mut fault = Diagnostic::error(EXPLANATION.code, least.span, message)
                .with_help("every write would be refused; 2 of 3 is usual");
            if let Some(replicas) = &topic.value.replicas {
                fault = fault.with_related(replicas.span, "replicas declared here");
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
