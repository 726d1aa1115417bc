//! AG058: weights by which no slot can be placed.

use super::context::Copies;
use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(58),
    title: "weights that place nothing",
    why: "A node gets slots in proportion to its weight among all nodes of its store; 0 empties it. A name that is no node changes nothing, and with every node at 0 the data would have no place. Copies need as many nodes with a weight as there are of them, in as many zones as there are.",
    fix: "Name nodes as `archgen shards` prints them (`STORE-1` is the first), and give at least one of them a weight above 0.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, weights: { cache-1: 0, cache-2: 0 } }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, weights: { cache-1: 0, cache-2: 1 } }
"#,
};

/// `name` is none of the store's nodes.
pub fn no_node(span: Span, name: &str, store: &str, nodes: u32) -> Diagnostic {
    let found: String = name.chars().take(60).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("`{store}` has no node `{found}`"))
        .with_help(format!("its nodes are `{store}-1` to `{store}-{nodes}`"))
}

/// Nothing is left to place slots on.
pub fn all_zero(span: Span, store: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("every node of `{store}` has weight 0"))
        .with_help("give one node a weight of 1: the smallest change that leaves the data a place")
}

/// Copies against the nodes that weights leave, and their zones. Too few nodes of any weight, or too few zones, are other codes.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for copies in context.copies() {
        let found = context.topology.stores.iter().find(|s| s.name == copies.store);
        let written =
            context.stores.iter().find(|s| s.name.value == copies.store).and_then(|s| s.value.weights.as_ref());
        if let (Some(store), Some(written)) = (found, written) {
            out.extend(
                left(&copies, &store.weights, &context.topology.zones).map(|d| d.with_related(written.span, "weights")),
            );
        }
    }
}

/// What is wrong with the nodes that are left, where something is.
fn left(copies: &Copies<'_>, weights: &[u32], zones: &[String]) -> Option<Diagnostic> {
    let zone = |node: usize| node % zones.len().max(1);
    let loaded = || (0..weights.len()).filter(|node| weights[*node] > 0);
    let (name, wanted, nodes) = (copies.name, copies.copies as usize, loaded().count());
    let empty = |wanted: &dyn Fn(usize) -> bool| (0..weights.len()).find(|node| weights[*node] == 0 && wanted(*node));
    let give = |node: usize, kept: usize| {
        format!(
            "the smallest changes that make it possible: a weight of 1 for `{}-{}`, or {kept} cop{} of it",
            copies.store,
            node + 1,
            if kept == 1 { "y" } else { "ies" }
        )
    };
    if wanted > nodes && wanted <= weights.len() {
        let message =
            format!("weights leave {nodes} of the {} nodes of `{}` for {wanted} copies", weights.len(), copies.store);
        let node = empty(&|_| true)?;
        return Some(Diagnostic::error(EXPLANATION.code, copies.span, message).with_help(give(node, nodes)));
    }
    let covered: std::collections::BTreeSet<usize> = loaded().map(zone).collect();
    if wanted > covered.len() && wanted <= zones.len() {
        let node = empty(&|node| !covered.contains(&zone(node)))?;
        let message = format!("weights leave nodes in {} zones for the {wanted} copies of `{name}`", covered.len());
        return Some(Diagnostic::warning(EXPLANATION.code, copies.span, message).with_help(give(node, covered.len())));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
