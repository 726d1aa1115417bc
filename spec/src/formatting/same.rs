//! Whether two trees mean the same: places, and the order of a section's keys, mean nothing.

use super::order::Scope;
use crate::source::{Node, Value};

/// Compares two trees of one shape. Depth is bounded by the parser's budget.
pub(super) fn same(a: &Node, b: &Node, scope: Scope<'_>) -> bool {
    if a.tag.map(|(tag, _)| tag) != b.tag.map(|(tag, _)| tag) {
        return false;
    }
    match (&a.value, &b.value) {
        (Value::Mapping(left), Value::Mapping(right)) => {
            let (scope, other) = (scope.within(left), scope.within(right));
            let (left, right) = (scope.ordered(left), other.ordered(right));
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(a, b)| a.key.text == b.key.text && same(&a.value, &b.value, scope.below(&a.key.text)))
        }
        (Value::Sequence(left), Value::Sequence(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b, scope.item()))
        }
        (left, right) => left == right,
    }
}
