//! Linearizability (Herlihy and Wing 1990) by the search of Wing and Gong (1993) with Lowe's memory of visited states (2017).

use std::{collections::BTreeSet, time::Duration};

/// Operations of one key; more would take too long.
pub(super) const OPERATIONS_MAX: usize = 64;

/// A sequential specification.
pub(super) trait Model {
    /// What an operation did and answered.
    type Operation;
    /// The state of one key.
    type State: Clone + Ord;
    /// Before the first operation.
    fn initial() -> Self::State;
    /// The state after the operation; `None` where it could not have answered so.
    fn step(state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;
}

/// An operation with its times. One that never ended may take effect at any time after it began, or never.
#[derive(Debug, Clone)]
pub(super) struct Timed<O> {
    pub(super) operation: O,
    pub(super) invoked: Duration,
    pub(super) done: Option<Duration>,
}

/// Whether one order of these operations, in which each takes effect between its beginning and its end, obeys the model.
pub(super) fn is_linearizable<M: Model>(operations: &[Timed<M::Operation>]) -> bool {
    let operations = &operations[..operations.len().min(OPERATIONS_MAX)];
    let mut visited = BTreeSet::new();
    search::<M>(operations, 0, &M::initial(), &mut visited)
}

fn search<M: Model>(
    operations: &[Timed<M::Operation>],
    taken: u64,
    state: &M::State,
    visited: &mut BTreeSet<(u64, M::State)>,
) -> bool {
    let left = || operations.iter().enumerate().filter(|(i, _)| taken & (1 << i) == 0);
    // Nothing that begins after another has ended can come before it.
    let Some(first_end) = left().filter_map(|(_, o)| o.done).min() else { return true };
    if !visited.insert((taken, state.clone())) {
        return false;
    }
    left().filter(|(_, o)| o.invoked <= first_end).any(|(i, o)| {
        M::step(state, &o.operation).is_some_and(|next| search::<M>(operations, taken | (1 << i), &next, visited))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A register: `Ok(value)` was written, `Err(value)` was read.
    struct Register;

    impl Model for Register {
        type Operation = Result<u8, u8>;
        type State = u8;

        fn initial() -> u8 {
            0
        }

        fn step(state: &u8, operation: &Self::Operation) -> Option<u8> {
            match operation {
                Ok(written) => Some(*written),
                Err(read) => (read == state).then_some(*state),
            }
        }
    }

    /// Every order of every choice of the operations that must, or may, have taken effect.
    fn by_brute_force(operations: &[Timed<Result<u8, u8>>]) -> bool {
        fn extend(operations: &[Timed<Result<u8, u8>>], order: &mut Vec<usize>) -> bool {
            let all_ended = operations.iter().enumerate().all(|(i, o)| o.done.is_none() || order.contains(&i));
            if all_ended && obeys(operations, order) {
                return true;
            }
            (0..operations.len()).any(|next| {
                if order.contains(&next) {
                    return false;
                }
                order.push(next);
                let found = extend(operations, order);
                order.pop();
                found
            })
        }
        fn obeys(operations: &[Timed<Result<u8, u8>>], order: &[usize]) -> bool {
            let mut state = 0;
            for (place, index) in order.iter().enumerate() {
                let later = &order[place + 1..];
                if later.iter().any(|l| operations[*l].done.is_some_and(|done| done < operations[*index].invoked)) {
                    return false;
                }
                match Register::step(&state, &operations[*index].operation) {
                    Some(next) => state = next,
                    None => return false,
                }
            }
            true
        }
        extend(operations, &mut Vec::new())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn it_agrees_with_brute_force(
            drawn in prop::collection::vec((any::<bool>(), 0u8..3, 0u64..8, prop::option::weighted(0.8, 0u64..4)), 0..6),
        ) {
            let operations: Vec<_> = drawn
                .into_iter()
                .map(|(writes, value, at, length)| Timed {
                    operation: if writes { Ok(value) } else { Err(value) },
                    invoked: Duration::from_millis(at),
                    done: length.map(|length| Duration::from_millis(at + length)),
                })
                .collect();
            prop_assert_eq!(is_linearizable::<Register>(&operations), by_brute_force(&operations));
        }
    }
}
