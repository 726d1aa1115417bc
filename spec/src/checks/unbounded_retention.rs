//! AG085: data that are kept for ever.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(85),
    title: "nothing is ever deleted",
    why: "A topic without a retention grows until the disks are full, and then every producer stops at once.",
    fix: "Say how long events are kept: `retain: 7d`.",
    before: r#"stores:
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { message: { partitions: 12 } } }
"#,
    after: r#"stores:
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { message: { partitions: 12, retain: 7d } } }
"#,
};

/// Topics of a real Kafka.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, index, topic) in context.indexed_datasets() {
        let model = &context.topology.stores[store];
        let forever = matches!(model.datasets[index].shape, DatasetShape::Topic { retain: None, .. });
        if forever && !model.embedded {
            let message = format!("the topic `{}` is kept for ever", topic.name.value);
            out.push(
                Diagnostic::warning(EXPLANATION.code, topic.name.span, message)
                    .with_help("add `retain: 7d`, or as long as a consumer may be away"),
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
