//! AG080: a store, or something in it, that nothing uses.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::{DatasetRef, Need, StoreId};
use std::collections::BTreeSet;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(80),
    title: "nothing uses a store",
    why: "It is deployed, paid for and backed up, and holds nothing. Mostly a service forgot to say that it needs it, and so gets no access and no place in the start order.",
    fix: "Name it under `needs`, `publishes` or `consumes` of the service that uses it, or remove it.",
    before: r#"services:
  user: { port: 9300, needs: [users.accounts] }
stores:
  users: { kind: postgres, version: "15", tables: { accounts: { key: id uuid } } }
  cache: { kind: redis, version: "7.2" }
"#,
    after: r#"services:
  user: { port: 9300, needs: [users.accounts, cache] }
stores:
  users: { kind: postgres, version: "15", tables: { accounts: { key: id uuid } } }
  cache: { kind: redis, version: "7.2" }
"#,
};

/// Stores and datasets, in a spec whose services say what they use at all.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    let mut whole: BTreeSet<usize> = BTreeSet::new();
    let mut parts: BTreeSet<DatasetRef> = BTreeSet::new();
    let needs = topology.services.iter().flat_map(|s| &s.needs).chain(topology.realtime.iter().flat_map(|r| &r.needs));
    for need in needs {
        match need {
            Need::Store(id) => drop(whole.insert(id.0)),
            Need::Dataset(dataset) => drop(parts.insert(*dataset)),
            Need::Service(_) => {}
        }
    }
    parts.extend(topology.services.iter().flat_map(|s| s.publishes.iter().chain(&s.consumes).copied()));
    if whole.is_empty() && parts.is_empty() {
        return;
    }
    let touched: BTreeSet<usize> = whole.iter().copied().chain(parts.iter().map(|d| d.store.0)).collect();
    let mut report =
        |span, what: String| {
            out.push(Diagnostic::warning(EXPLANATION.code, span, format!("nothing uses {what}")).with_help(
                "name it under `needs`, `publishes` or `consumes` of the service that uses it, or remove it",
            ));
        };
    for (_, store) in context.stores.iter().enumerate().filter(|(index, _)| !touched.contains(index)) {
        report(store.name.span, format!("the store `{}`", store.name.value));
    }
    for (store, index, dataset) in context.indexed_datasets() {
        let used = whole.contains(&store) || parts.contains(&DatasetRef { store: StoreId(store), dataset: index });
        if touched.contains(&store) && !used {
            let word = topology.stores[store].kind.dataset_word();
            let owner = &context.stores[store].name.value;
            report(dataset.name.span, format!("the {word} `{owner}.{}`", dataset.name.value));
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
