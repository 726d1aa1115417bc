//! AG103: a load whose key spreads nothing.

use super::{Context, Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(103),
    title: "the load is keyed by something that nothing is spread by",
    why: "`load.messages.key` says by what traffic is skewed. No dataset is partitioned by that, so that no figure for a hot partition can be given: mostly the two names differ by accident.",
    fix: "Use the name of the column by which messages are partitioned.",
    before: r#"load:
  messages: { mean: 2k/s, peak: 60k/s, size: 900B, key: channel, skew: zipf(0.8), keys: 2M }
stores:
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 6
    replication: { eu: 3 }
    tables:
      messages: { partition: [channel_id bigint, bucket int], cluster: [id bigint desc], ttl: 90d, bucket: auto(100MB) }
"#,
    after: r#"load:
  messages: { mean: 2k/s, peak: 60k/s, size: 900B, key: channel_id, skew: zipf(0.8), keys: 2M }
stores:
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 6
    replication: { eu: 3 }
    tables:
      messages: { partition: [channel_id bigint, bucket int], cluster: [id bigint desc], ttl: 90d, bucket: auto(100MB) }
"#,
};

/// The key of the load against every key by which data are spread.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let messages = context.spec.load.as_ref().and_then(|l| l.value.messages.as_ref());
    let Some(key) = messages.and_then(|m| m.value.key.as_ref()) else { return };
    let mut names: Vec<&str> = Vec::new();
    for dataset in context.topology.stores.iter().flat_map(|s| &s.datasets) {
        match &dataset.shape {
            DatasetShape::CassandraTable { partition, .. } => names.extend(partition.iter().map(|c| c.name.as_str())),
            DatasetShape::PostgresTable { key, .. } => names.extend(key.iter().map(|c| c.name.as_str())),
            DatasetShape::Collection { key, .. } => names.extend(key.iter().map(String::as_str)),
            DatasetShape::Topic { key: Some(key), .. } => names.push(key),
            DatasetShape::Index { route: Some(route), .. } => names.push(route),
            _ => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    if names.is_empty() || names.contains(&key.value.0.as_str()) {
        return;
    }
    let message = format!("nothing is spread by `{}`", key.value.0);
    out.push(
        Diagnostic::warning(EXPLANATION.code, key.span, message)
            .with_help(suggestion::help(&key.value.0, "data are spread by", &names))
            .with_fix(suggestion::fix(key.span, &key.value.0, names.iter().copied())),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
