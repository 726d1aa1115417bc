//! AG087: an index that no declared query needs. What serves a query is decided here.

use std::collections::BTreeSet;

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::{Column, DatasetShape, Query, Topology};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(87),
    title: "no query uses an index",
    why: "An index costs disk and time at every write, for ever, whether anybody asks by it or not. It is judged where services declare their queries: then those are taken to be all.",
    fix: "Declare the query that it is there for, or remove it.",
    before: r#"services:
  user:
    port: 9300
    needs: [users.members]
    queries: { member: { on: users.members, by: [channel_id, user_id] } }
stores:
  users:
    kind: postgres
    version: "15"
    tables:
      members: { key: [channel_id bigint, user_id uuid], indexes: { by_user: [user_id, channel_id] } }
"#,
    after: r#"services:
  user:
    port: 9300
    needs: [users.members]
    queries: { channels: { on: users.members, by: [user_id] } }
stores:
  users:
    kind: postgres
    version: "15"
    tables:
      members: { key: [channel_id bigint, user_id uuid], indexes: { by_user: [user_id, channel_id] } }
"#,
};

/// What answers a query without reading everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// The key, a unique column, or the engine itself.
    Key,
    /// The index of this name.
    Index(String),
    /// Nothing.
    Nothing,
}

/// Whether columns in this order answer a query: those of the query are its first ones, or it is given all of them and more.
fn answers<'a>(columns: &[&'a str], by: &BTreeSet<&'a str>) -> bool {
    let first: BTreeSet<&str> = columns.iter().take(by.len()).copied().collect();
    !columns.is_empty() && (first == *by || columns.iter().all(|c| by.contains(c)))
}

fn names(columns: &[Column]) -> Vec<&str> {
    columns.iter().map(|c| c.name.as_str()).collect()
}

/// What serves a query; the key before the shortest index.
pub fn serving(topology: &Topology, query: &Query) -> Serving {
    let by: BTreeSet<&str> = query.by.iter().map(String::as_str).collect();
    let indexes = match &topology.store(query.on.store).datasets[query.on.dataset].shape {
        DatasetShape::PostgresTable { key, columns, indexes, .. } => {
            let unique = columns.iter().any(|c| c.unique && by.contains(c.name.as_str()));
            if unique || answers(&names(key), &by) {
                return Serving::Key;
            }
            indexes
        }
        DatasetShape::Collection { key, hashed, indexes } => {
            let shard: Vec<&str> = key.iter().map(String::as_str).collect();
            let whole = *hashed && key.iter().all(|k| by.contains(k.as_str()));
            if by.contains("_id") || whole || (!hashed && answers(&shard, &by)) {
                return Serving::Key;
            }
            indexes
        }
        DatasetShape::CassandraTable { partition, cluster, bucket, .. } => {
            // The bucket of a row follows from its time: whoever asks goes through the buckets.
            let bucketed = *bucket != crate::topology::Bucket::None;
            let given = partition.iter().all(|c| by.contains(c.name.as_str()) || (bucketed && c.name == "bucket"));
            let rest: BTreeSet<&str> = by.iter().copied().filter(|c| partition.iter().all(|p| p.name != *c)).collect();
            let ordered = rest.is_empty() || answers(&names(cluster), &rest);
            return if given && ordered { Serving::Key } else { Serving::Nothing };
        }
        // Every field is indexed, objects are asked by their key, and topics are no subject of queries.
        DatasetShape::Index { .. } | DatasetShape::Bucket { .. } | DatasetShape::Topic { .. } => return Serving::Key,
    };
    let answering = indexes.iter().filter(|(_, columns)| {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        answers(&columns, &by)
    });
    answering
        .min_by_key(|(_, columns)| columns.len())
        .map_or(Serving::Nothing, |(name, _)| Serving::Index(name.clone()))
}

/// Every index, in a system whose services declare queries.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let queries: Vec<&Query> = context.topology.services.iter().flat_map(|s| &s.queries).collect();
    if queries.is_empty() {
        return;
    }
    let mut used: BTreeSet<(usize, usize, String)> = BTreeSet::new();
    for query in queries {
        if let Serving::Index(name) = serving(context.topology, query) {
            used.insert((query.on.store.0, query.on.dataset, name));
        }
    }
    for (store, dataset, written) in context.indexed_datasets() {
        for index in written.value.indexes.iter().flat_map(|i| &i.value) {
            if used.contains(&(store, dataset, index.name.value.clone())) {
                continue;
            }
            let owner = &context.stores[store].name.value;
            let message = format!("no query uses the index `{}` of `{owner}.{}`", index.name.value, written.name.value);
            out.push(
                Diagnostic::warning(EXPLANATION.code, index.name.span, message)
                    .with_help("declare the query that it is there for (`queries` of a service), or remove it"),
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
