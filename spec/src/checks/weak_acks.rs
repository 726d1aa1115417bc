//! AG084: an acknowledgement that one machine can take back.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(84),
    title: "acknowledged events may be lost",
    why: "With `min_insync: 1` a write is acknowledged when one broker has it. When that broker dies before the others have caught up, what was acknowledged is gone.",
    fix: "Set `min_insync: 2` on a topic of three replicas.",
    before: r#"stores:
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { message: { replicas: 3, min_insync: 1, retain: 7d } } }
"#,
    after: r#"stores:
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { message: { replicas: 3, min_insync: 2, retain: 7d } } }
"#,
};

/// Topics with several replicas of a real Kafka.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, index, topic) in context.indexed_datasets() {
        let model = &context.topology.stores[store];
        let DatasetShape::Topic { replicas, min_insync: 1, .. } = model.datasets[index].shape else { continue };
        let Some(written) = topic.value.min_insync.as_ref().filter(|_| replicas > 2 && !model.embedded) else {
            continue;
        };
        let message = format!("an event of `{}` is acknowledged when 1 of {replicas} brokers has it", topic.name.value);
        out.push(
            Diagnostic::warning(EXPLANATION.code, written.span, message)
                .with_help("write `min_insync: 2`")
                .with_fix(Fix::replace(written.span, "2")),
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
