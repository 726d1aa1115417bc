//! AG034: a column that the table does not have.

use super::{Context, Explanation, datasets_of, suggestion};
use crate::ast::{Dataset, DatasetKey, Named};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Span, Spanned};
use crate::topology::{DatasetShape, StoreKind};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(34),
    title: "a column is not declared",
    why: "Indexes, shard rules and buckets refer to columns of the same table. A column that is not declared would fail when the schema is applied.",
    fix: "Declare the column, or correct the spelling.",
    before: r#"stores:
  users:
    kind: postgres
    version: "15"
    tables:
      accounts: { key: id uuid, indexes: { by_email: [email] } }
"#,
    after: r#"stores:
  users:
    kind: postgres
    version: "15"
    tables:
      accounts: { key: id uuid, columns: { email: text }, indexes: { by_email: [email] } }
"#,
};

fn at(span: Span, column: &str, table: &str, declared: &[&str]) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("the table `{table}` has no column `{column}`"))
        .with_help(suggestion::help(column, "declared columns", declared))
        .with_fix(suggestion::fix(span, column, declared.iter().copied()))
        .with_cause(format!("{table}.{column}"))
}

/// Columns in indexes, shard rules and time buckets.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, table) in context.datasets() {
        if !matches!(context.topology.stores[store].kind, StoreKind::Postgres | StoreKind::Cassandra) {
            continue;
        }
        if !columns_unread(context, store, table) {
            table_columns(table, out);
        }
    }
    query_columns(context, out);
}

/// A key or a column is missing or could not be read, which has been reported: which columns there are is not known.
fn columns_unread(context: &Context<'_>, store: usize, table: &Named<Dataset>) -> bool {
    let dataset = &table.value;
    let key = matches!(dataset.key, Some(Spanned { value: DatasetKey::Columns(_), .. }));
    let due = match context.topology.stores[store].kind {
        StoreKind::Postgres => key,
        StoreKind::Cassandra => dataset.partition.is_some(),
        _ => return false,
    };
    let read = [("cluster", dataset.cluster.is_some()), ("columns", dataset.columns.is_some())];
    let above = format!("stores.{}.tables.{}.", context.stores[store].name.value, table.name.value);
    let lost = context.spec.unread.range(above.clone()..).take_while(|path| path.starts_with(&above));
    let mut lost = lost.filter_map(|path| path[above.len()..].split('.').next());
    let lost = lost.any(|key| ["key", "partition", "cluster", "columns"].contains(&key));
    !due || lost || read.into_iter().any(|(key, read)| !read && dataset.said.contains(&key))
}

/// Columns by which services ask. Documents have whatever fields they have.
fn query_columns(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (written, model) in context.services.iter().zip(&context.topology.services) {
        let places = written.value.queries.as_ref().map_or(&[][..], |q| q.value.as_slice());
        for query in &model.queries {
            let dataset = &context.topology.store(query.on.store).datasets[query.on.dataset];
            let written = datasets_of(&context.stores[query.on.store.0].value).get(query.on.dataset);
            if written.is_some_and(|table| columns_unread(context, query.on.store.0, table)) {
                continue;
            }
            let Some(declared) = columns_of(&dataset.shape) else { continue };
            let by = places.iter().find(|q| q.name.value == query.name).and_then(|q| q.value.by.as_ref());
            for column in by.iter().flat_map(|by| &by.value).filter(|c| !declared.contains(&c.value.0.as_str())) {
                let fault = at(column.span, &column.value.0, &dataset.name, &declared);
                out.push(match written {
                    Some(table) => fault.with_related(table.name.span, "this is asked"),
                    None => fault,
                });
            }
        }
    }
}

/// The columns of a table; `None` of what has none.
pub(super) fn columns_of(shape: &DatasetShape) -> Option<Vec<&str>> {
    let columns: Vec<_> = match shape {
        DatasetShape::PostgresTable { key, columns, .. } => key.iter().chain(columns).collect(),
        DatasetShape::CassandraTable { partition, cluster, columns, .. } => {
            partition.iter().chain(cluster).chain(columns).collect()
        }
        _ => return None,
    };
    Some(columns.into_iter().map(|column| column.name.as_str()).collect())
}

fn table_columns(table: &Named<Dataset>, out: &mut Vec<Diagnostic>) {
    let name = table.name.value.as_str();
    let dataset = &table.value;
    let mut declared: Vec<&str> = Vec::new();
    if let Some(Spanned { value: DatasetKey::Columns(key), .. }) = &dataset.key {
        declared.extend(key.0.iter().map(|c| c.value.name.as_str()));
    }
    let parts = dataset.partition.iter().chain(&dataset.cluster).flat_map(|k| &k.value.0);
    declared.extend(parts.map(|c| c.value.name.as_str()));
    declared.extend(dataset.columns.iter().flat_map(|c| &c.value).map(|c| c.name.value.as_str()));
    let indexed = dataset.indexes.iter().flat_map(|i| &i.value).flat_map(|i| &i.value);
    for column in indexed.filter(|c| !declared.contains(&c.value.0.as_str())) {
        out.push(at(column.span, &column.value.0, name, &declared));
    }
    let shard = dataset.shard.as_ref().and_then(|s| s.value.by.as_ref());
    if let Some(by) = shard.filter(|by| !declared.contains(&by.value.0.as_str())) {
        // What is marked there is `hash(column)`.
        out.push(at(by.span, &by.value.0, name, &declared).with_fix(None));
    }
    if let Some(tenant) = dataset.tenant.as_ref().filter(|t| !declared.contains(&t.value.0.as_str())) {
        out.push(at(tenant.span, &tenant.value.0, name, &declared));
    }
    let bucketed = dataset.partition.iter().flat_map(|p| &p.value.0).any(|c| c.value.name == "bucket");
    if let (Some(bucket), Some(_), false) = (&dataset.bucket, &dataset.partition, bucketed) {
        let fault = Diagnostic::error(
            EXPLANATION.code,
            bucket.span,
            format!("`{name}` has a bucket width but no column `bucket` in its partition key"),
        );
        out.push(fault.with_help("add `bucket int` to `partition`"));
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
