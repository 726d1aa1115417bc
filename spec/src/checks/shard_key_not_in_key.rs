//! AG044: the shard column is outside the primary key.

use super::{Context, Explanation};
use crate::ast::DatasetKey;
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(44),
    title: "the shard column is not in the primary key",
    why: "PostgreSQL enforces a primary key per partition. A key that does not contain the partitioning column cannot be unique over all partitions, and the DDL is refused.",
    fix: "Shard by a column of the primary key, or add the column to the key.",
    before: r#"stores:
  users:
    kind: postgres
    version: "15"
    tables:
      accounts: { key: id uuid, columns: { org: uuid }, shard: { by: hash(org), into: 16 } }
"#,
    after: r#"stores:
  users:
    kind: postgres
    version: "15"
    tables:
      accounts: { key: [org uuid, id uuid], shard: { by: hash(org), into: 16 } }
"#,
};

/// The hashed column of each table against its key. A column that does not exist is another code's business.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (_, table) in context.datasets() {
        let (Some(shard), Some(key)) = (&table.value.shard, &table.value.key) else { continue };
        let (Some(by), DatasetKey::Columns(columns)) = (&shard.value.by, &key.value) else { continue };
        let column = by.value.0.as_str();
        let plain = table.value.columns.iter().flat_map(|c| &c.value).any(|c| c.name.value == column);
        if plain && !columns.0.iter().any(|c| c.value.name == column) {
            let message = format!("`{}` is sharded by `{column}`, which is not in its primary key", table.name.value);
            let fault = Diagnostic::error(EXPLANATION.code, by.span, message);
            out.push(
                fault
                    .with_help(format!("add `{column}` to `key`, or shard by a key column"))
                    .with_related(key.span, "the primary key"),
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
