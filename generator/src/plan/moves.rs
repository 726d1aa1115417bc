//! What changes between two placements: which copies go where, which are only dropped, and which slots get another leader.

use std::collections::BTreeMap;

use archgen_spec::sharding::SlotMap;
use serde::Serialize;

use super::Node;

/// A copy of a slot that comes to be on a node. Nodes are named by index: `source` and `gives` among the old ones, `to`
/// among the new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Move {
    /// Which slot.
    pub slot: u16,
    /// Node that the data are read from: the one that gives its copy up, else the leader. `None` where no copy was.
    pub source: Option<u32>,
    /// Node that gives its copy up for this one; `None` where the slot gets one copy more.
    pub gives: Option<u32>,
    /// Node that takes it.
    pub to: u32,
}

/// The difference between two placements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Moves {
    /// Copies that go to another node, in the order of slots.
    pub moves: Vec<Move>,
    /// Copies that only go: slot, and old node.
    pub dropped: Vec<(u16, u32)>,
    /// Slots whose leader is another node afterwards although no copy moves there.
    pub leaders: Vec<u16>,
}

/// What has to be done to come from `before` (made for `old`) to `after` (made for `new`). Nodes are recognised by name.
pub fn moves(before: &SlotMap, old: &[Node], after: &SlotMap, new: &[Node]) -> Moves {
    let by_name: BTreeMap<&str, u32> = new.iter().zip(0..).map(|(n, i)| (n.name.as_str(), i)).collect();
    let translate: Vec<Option<u32>> = old.iter().map(|n| by_name.get(n.name.as_str()).copied()).collect();
    let now = |node: u32| translate.get(node as usize).copied().flatten();
    let mut all = Moves::default();
    let none = Vec::new();
    for slot in 0..before.placement.len().max(after.placement.len()) {
        let was = before.placement.get(slot).unwrap_or(&none);
        let is = after.placement.get(slot).unwrap_or(&none);
        let mut leaving = was.iter().copied().filter(|n| now(*n).is_none_or(|node| !is.contains(&node)));
        let number = slot as u16;
        let mut came = false;
        for to in is.iter().copied().filter(|n| !was.iter().any(|w| now(*w) == Some(*n))) {
            let gives = leaving.next();
            all.moves.push(Move { slot: number, source: gives.or(was.first().copied()), gives, to });
            came |= is.first() == Some(&to);
        }
        all.dropped.extend(leaving.map(|node| (number, node)));
        if !came && was.first().and_then(|n| now(*n)) != is.first().copied() {
            all.leaders.push(number);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: &[&str]) -> Vec<Node> {
        names.iter().map(|n| Node { name: (*n).to_owned(), zone: "z".to_owned(), weight: 1 }).collect()
    }

    #[test]
    fn copies_that_go_come_and_change_their_leader() {
        let (old, new) = (nodes(&["a", "b", "c"]), nodes(&["c", "d", "a"]));
        let before = SlotMap { placement: vec![vec![0, 1], vec![1, 2], vec![0, 2], vec![2, 0], vec![1]] };
        let after = SlotMap { placement: vec![vec![2, 1], vec![0], vec![0, 2], vec![0, 2], vec![1, 0]] };
        let found = moves(&before, &old, &after, &new);
        let went = |slot, source, gives, to| Move { slot, source: Some(source), gives, to };
        assert_eq!(found.moves, [went(0, 1, Some(1), 1), went(4, 1, Some(1), 1), went(4, 1, None, 0)]);
        assert_eq!(found.dropped, [(1, 1)], "b goes, and nobody takes its copy of slot 1");
        assert_eq!(found.leaders, [1, 2]);
        assert_eq!(moves(&before, &old, &before, &old), Moves::default());
    }
}
