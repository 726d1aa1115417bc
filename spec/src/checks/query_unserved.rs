//! AG088: a query that no key and no index serves.

use super::index_unused::{Serving, serving};
use super::unknown_column::columns_of;
use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::topology::{DatasetShape, Need, Query};
use crate::units::Unit;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(88),
    title: "nothing serves a query",
    why: "A query by columns that begin no key and no index reads the whole table, on every partition; with a million rows that is seconds instead of a millisecond, and Cassandra refuses it. It is quick on a laptop, and takes the database down in production.",
    fix: "Add an index that begins with the columns of the query, or ask by the key; in Cassandra, add a table with that key.",
    before: r#"services:
  user:
    port: 9300
    needs: [users.accounts]
    queries: { sign-in: { on: users.accounts, by: [email], rate: 50/s } }
stores:
  users:
    kind: postgres
    version: "15"
    tables: { accounts: { key: id uuid, columns: { email: text } } }
"#,
    after: r#"services:
  user:
    port: 9300
    needs: [users.accounts]
    queries: { sign-in: { on: users.accounts, by: [email], rate: 50/s } }
stores:
  users:
    kind: postgres
    version: "15"
    tables: { accounts: { key: id uuid, columns: { email: text unique } } }
"#,
};

/// Every declared query against the keys and indexes of what it asks.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (written, model) in context.services.iter().zip(&context.topology.services) {
        let places = written.value.queries.as_ref().map_or(&[][..], |q| q.value.as_slice());
        for query in &model.queries {
            let Some(named) = places.iter().find(|q| q.name.value == query.name) else { continue };
            let span = named.value.by.as_ref().map_or(named.name.span, |by| by.span);
            let needed = model.needs.iter().any(|need| match need {
                Need::Dataset(dataset) => *dataset == query.on,
                Need::Store(store) => *store == query.on.store,
                Need::Service(_) => false,
            });
            if !needed {
                let place = named.value.on.as_ref().map_or(named.name.span, |on| on.span);
                out.push(stranger(context, &written.name.value, query, place));
            }
            // A column that is not declared has been reported.
            let dataset = &context.topology.store(query.on.store).datasets[query.on.dataset];
            let columns = columns_of(&dataset.shape);
            let known = columns.is_none_or(|columns| query.by.iter().all(|by| columns.contains(&by.as_str())));
            if known && serving(context.topology, query) == Serving::Nothing {
                let often = named.value.rate.map(|rate| format!(", asked {}", rate.value.print())).unwrap_or_default();
                out.push(unserved(context, &written.name.value, query, span, &often));
            }
        }
    }
}

fn title(context: &Context<'_>, query: &Query) -> String {
    let store = context.topology.store(query.on.store);
    format!("{}.{}", store.name, store.datasets[query.on.dataset].name)
}

/// The service asks something that it does not need, and so has no access to.
fn stranger(context: &Context<'_>, service: &str, query: &Query, place: Span) -> Diagnostic {
    let dataset = title(context, query);
    let message = format!("`{service}` asks `{dataset}`, which it does not need");
    let nothing = context.services.iter().any(|s| s.name.value == service && s.value.needs.is_none());
    let cause = if nothing { service.to_owned() } else { format!("{service} {dataset}") };
    Diagnostic::error(EXPLANATION.code, place, message)
        .with_help(format!("add `{dataset}` to its `needs`"))
        .with_cause(cause)
}

fn unserved(context: &Context<'_>, service: &str, query: &Query, span: Span, often: &str) -> Diagnostic {
    let store = context.topology.store(query.on.store);
    let dataset = &store.datasets[query.on.dataset];
    let columns = query.by.join(", ");
    let message = format!(
        "no key and no index of `{}` serves the query `{}` of `{service}`{often}",
        title(context, query),
        query.name
    );
    let help = match &dataset.shape {
        DatasetShape::CassandraTable { partition, .. } => {
            let whole: Vec<&str> = partition.iter().map(|c| c.name.as_str()).collect();
            format!(
                "Cassandra needs the whole partition key ({}); add a table whose key is [{columns}]",
                whole.join(", ")
            )
        }
        _ => format!("add `indexes: {{ by_{}: [{columns}] }}`", query.by.first().map_or("", String::as_str)),
    };
    let fault = Diagnostic::warning(EXPLANATION.code, span, message).with_help(help);
    let place = super::datasets_of(&context.stores[query.on.store.0].value).get(query.on.dataset).map(|d| d.name.span);
    match place {
        Some(place) => fault.with_related(place, "this is asked"),
        None => fault,
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
    fn cassandra_wants_the_partition_key_and_a_beginning_of_the_order() {
        let text = |by: &str| {
            format!(
                "services:\n  messaging:\n    port: 9200\n    needs: [chat]\n    queries: {{ page: {{ on: chat.messages, by: [{by}] }} }}\n\
                 stores:\n  chat:\n    kind: cassandra\n    embedded: true\n    tables:\n      messages: {{ partition: [channel_id bigint, bucket int], cluster: [day date, message_id bigint desc], bucket: 1d }}\n"
            )
        };
        let served = |by: &str| crate::checks::testing::codes(&text(by)).is_empty();
        assert!(served("channel_id") && served("channel_id, bucket, day") && served("channel_id, day, message_id"));
        assert!(!served("message_id") && !served("channel_id, message_id"));
    }
}
