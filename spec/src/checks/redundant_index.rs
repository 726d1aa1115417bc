//! AG089: an index that another one already serves.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::DatasetShape;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(89),
    title: "an index repeats the key or another index",
    why: "An index on the first columns of the key, or of another index, answers nothing that the longer one does not. It costs disk, and time at every write.",
    fix: "Remove it, or index other columns.",
    before: r#"stores:
  users:
    kind: postgres
    version: "15"
    tables:
      members: { key: [channel_id bigint, user_id uuid], indexes: { by_channel: [channel_id] } }
"#,
    after: r#"stores:
  users:
    kind: postgres
    version: "15"
    tables:
      members: { key: [channel_id bigint, user_id uuid], indexes: { by_user: [user_id, channel_id] } }
"#,
};

/// Secondary indexes of each table and collection.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, index, dataset) in context.indexed_datasets() {
        let (key, indexes) = match &context.topology.stores[store].datasets[index].shape {
            DatasetShape::PostgresTable { key, indexes, .. } => (key.iter().map(|c| c.name.clone()).collect(), indexes),
            DatasetShape::Collection { key, hashed, indexes } => {
                (if *hashed { Vec::new() } else { key.clone() }, indexes)
            }
            _ => continue,
        };
        let written: Vec<_> = dataset.value.indexes.iter().flat_map(|i| &i.value).collect();
        for (at, (name, columns)) in indexes.iter().enumerate() {
            let earlier = |other: usize, longer: &Vec<String>| longer.len() > columns.len() || other < at;
            let serving = if key.starts_with(columns) {
                Some(("the primary key".to_owned(), dataset.value.key.as_ref().map(|k| k.span)))
            } else {
                let found =
                    indexes.iter().enumerate().find(|(i, (_, c))| *i != at && c.starts_with(columns) && earlier(*i, c));
                found.map(|(i, (other, _))| (format!("the index `{other}`"), written.get(i).map(|w| w.name.span)))
            };
            let (Some((serving, place)), Some(place_of_index)) = (serving, written.get(at)) else { continue };
            let message = format!("the index `{name}` answers nothing that {serving} does not");
            let mut fault =
                Diagnostic::warning(EXPLANATION.code, place_of_index.name.span, message).with_help("remove it");
            if let Some(place) = place {
                fault = fault.with_related(place, "this serves the same");
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
