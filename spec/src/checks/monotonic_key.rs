//! AG082: a key that only grows.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(82),
    title: "a shard key grows monotonically",
    why: "Ids and times only grow, so that every new row lands behind the last one: one shard takes all writes while the others idle, and splitting moves the hot spot along.",
    fix: "Hash the key (`hashed(_id)`), or put what the data are asked by before the time.",
    before: r#"stores:
  docs: { kind: mongodb, version: "7.0", shards: 3, replicas: 3, collections: { files: { key: created_at } } }
"#,
    after: r#"stores:
  docs: { kind: mongodb, version: "7.0", shards: 3, replicas: 3, collections: { files: { key: hashed(_id) } } }
"#,
};

/// Names that clocks and counters go by.
fn grows(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or(name);
    name == "_id"
        || matches!(
            last,
            "at" | "time"
                | "timestamp"
                | "ts"
                | "date"
                | "day"
                | "hour"
                | "created"
                | "updated"
                | "seq"
                | "sequence"
                | "bucket"
        )
}

/// Types that clocks go by.
fn clock(kind: &str) -> bool {
    matches!(kind, "timestamp" | "timestamptz" | "date" | "time" | "timeuuid")
}

/// Ranged shard keys of collections by their first field, and partition keys of Cassandra tables that are all time.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, index, dataset) in context.indexed_datasets() {
        let model = &context.topology.stores[store];
        let column = match &model.datasets[index].shape {
            DatasetShape::Collection { key, hashed: false, .. } if model.nodes > 1 => {
                key.first().filter(|field| grows(field)).cloned()
            }
            DatasetShape::CassandraTable { partition, .. } if !partition.is_empty() => {
                let all_time = partition.iter().all(|c| grows(&c.name) || clock(&c.kind));
                all_time.then(|| partition[0].name.clone())
            }
            _ => None,
        };
        let Some(column) = column else { continue };
        let written = &dataset.value;
        let span = written.partition.as_ref().map(|p| p.span).or(written.key.as_ref().map(|k| k.span));
        let message = format!("`{}` is spread by `{column}`, which only grows", dataset.name.value);
        out.push(
            Diagnostic::warning(EXPLANATION.code, span.unwrap_or(dataset.name.span), message)
                .with_help("all new rows go to one shard; hash the key, or begin it with what the data are asked by"),
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

    #[test]
    fn a_partition_of_nothing_but_time_is_one_too() {
        let text = |partition: &str| {
            format!(
                "stores:\n  chat: {{ kind: cassandra, version: \"4.1\", tables: {{ m: {{ partition: {partition}, ttl: 7d }} }} }}\n"
            )
        };
        assert_eq!(crate::checks::testing::codes(&text("[day date]"))[0].0, EXPLANATION.code);
        assert!(crate::checks::testing::codes(&text("[channel_id bigint, day date]")).is_empty());
    }
}
