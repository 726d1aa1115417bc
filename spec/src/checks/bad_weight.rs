//! AG058: weights by which no slot can be placed.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(58),
    title: "weights that place nothing",
    why: "A node gets slots in proportion to its weight among all nodes of its store; 0 empties it. A name that is no node changes nothing, and with every node at 0 the data would have no place.",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
