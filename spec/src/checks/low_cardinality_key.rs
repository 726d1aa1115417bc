//! AG083: a key with few values.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(83),
    title: "a shard key has few values",
    why: "Rows with one key lie on one shard. With two or ten different values at most that many shards are used, however many there are, and the largest of them cannot be split.",
    fix: "Shard by something that nearly every row has another value of: a user, a channel, an id.",
    before: r#"stores:
  users:
    kind: postgres
    version: "15"
    tables:
      accounts: { key: [country text, id uuid], shard: { by: hash(country), into: 64 } }
"#,
    after: r#"stores:
  users:
    kind: postgres
    version: "15"
    tables:
      accounts: { key: [country text, id uuid], shard: { by: hash(id), into: 64 } }
"#,
};

/// Names of things that come in few kinds.
fn few(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or(name);
    name.starts_with("is_")
        || name.starts_with("has_")
        || matches!(
            last,
            "status"
                | "state"
                | "kind"
                | "type"
                | "role"
                | "country"
                | "region"
                | "lang"
                | "language"
                | "gender"
                | "level"
                | "tier"
                | "plan"
                | "flag"
        )
}

fn boolean(kind: &str) -> bool {
    matches!(kind, "bool" | "boolean" | "tinyint")
}

/// The one column by which a dataset is spread. A key of several columns is judged by all of them together.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, index, dataset) in context.indexed_datasets() {
        let written = &dataset.value;
        let kind_of = |name: &str, columns: &[crate::topology::Column]| {
            columns.iter().find(|c| c.name == name).map_or(String::new(), |c| c.kind.clone())
        };
        let (column, kind, span) = match &context.topology.stores[store].datasets[index].shape {
            DatasetShape::PostgresTable { key, shard: Some((by, _)), .. } => {
                (by.clone(), kind_of(by, key), written.shard.as_ref().and_then(|s| s.value.by.as_ref()).map(|b| b.span))
            }
            DatasetShape::CassandraTable { partition, .. } if partition.len() == 1 => {
                (partition[0].name.clone(), partition[0].kind.clone(), written.partition.as_ref().map(|p| p.span))
            }
            DatasetShape::Collection { key, .. } if key.len() == 1 => {
                (key[0].clone(), String::new(), written.key.as_ref().map(|k| k.span))
            }
            DatasetShape::Topic { key: Some(key), .. } => {
                (key.clone(), String::new(), written.key.as_ref().map(|k| k.span))
            }
            DatasetShape::Index { route: Some(route), .. } => {
                (route.clone(), String::new(), written.route.as_ref().map(|r| r.span))
            }
            _ => continue,
        };
        if few(&column) || boolean(&kind) {
            let message = format!("`{}` is spread by `{column}`, which has few values", dataset.name.value);
            out.push(
                Diagnostic::warning(EXPLANATION.code, span.unwrap_or(dataset.name.span), message)
                    .with_help("spread it by a user, a channel or an id"),
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
