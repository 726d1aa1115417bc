//! AG105: fewer keys than partitions.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(105),
    title: "more partitions than keys",
    why: "Everything with one key goes to one partition. With fewer keys than partitions some of them never get anything: they cost memory and open files, and make one believe in a spread that is not there.",
    fix: "Use fewer partitions, or a key with more values.",
    before: r#"load:
  messages: { mean: 100/s, key: channel_id, keys: 20 }
stores:
  events: { kind: kafka, version: "3.7", topics: { message: { partitions: 96, key: channel_id, retain: 7d } } }
"#,
    after: r#"load:
  messages: { mean: 100/s, key: channel_id, keys: 20k }
stores:
  events: { kind: kafka, version: "3.7", topics: { message: { partitions: 96, key: channel_id, retain: 7d } } }
"#,
};

/// Topics keyed as the load is, and tables sharded so.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let messages = context.spec.load.as_ref().and_then(|l| l.value.messages.as_ref()).map(|m| &m.value);
    let Some(keys) = messages.and_then(|m| m.keys.as_ref()) else { return };
    let load = &context.topology.load.messages;
    for (store, index, dataset) in context.indexed_datasets() {
        let (parts, span) = match &context.topology.stores[store].datasets[index].shape {
            DatasetShape::Topic { key: Some(key), partitions, .. } if *key == load.key => {
                (*partitions, dataset.value.partitions.as_ref().map(|p| p.span))
            }
            DatasetShape::PostgresTable { shard: Some((by, into)), .. } if *by == load.key => {
                (*into, dataset.value.shard.as_ref().and_then(|s| s.value.into.as_ref()).map(|i| i.span))
            }
            _ => continue,
        };
        if load.keys < u64::from(parts) {
            let message = format!("{} keys fill at most {} of {parts} partitions", load.keys, load.keys);
            out.push(
                Diagnostic::warning(EXPLANATION.code, span.unwrap_or(dataset.name.span), message)
                    .with_help("use fewer partitions, or a key with more values")
                    .with_related(keys.span, "so many keys are declared"),
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
