//! Which copies stay where they are when nodes come, go or change: as many as quotas and zones allow. Where the others go
//! is decided in `place`.

use super::quota::Zones;

/// What stays, and for slots that lost a copy from an overfull node the zone that has room for it.
pub(super) struct Kept {
    pub slots: Vec<Vec<usize>>,
    pub zone_for: Vec<Option<usize>>,
}

/// The largest set of the copies in `before` (node indexes per slot) in which no slot has more than `copies`, no zone
/// more of one slot than it may, and no node more than its target. `order` says which slots are looked at first.
///
/// A maximum flow: a first guess, then augmenting paths (Ford and Fulkerson 1956), shortest first, until there is none.
pub(super) fn most_kept(
    before: &[Vec<usize>],
    zones: &Zones,
    copies: usize,
    targets: &[usize],
    order: &[usize],
) -> Kept {
    let mut keeping = Keeping {
        zones,
        copies,
        targets,
        slots: before.to_vec(),
        dropped: vec![Vec::new(); before.len()],
        counts: vec![0; targets.len()],
    };
    before.iter().flatten().for_each(|node| keeping.counts[*node] += 1);
    for slot in order {
        keeping.drop_surplus(*slot);
    }
    let zone_for = keeping.drop_overfull(order);
    let touched: Vec<usize> = order.iter().copied().filter(|s| !keeping.dropped[*s].is_empty()).collect();
    while let Some(path) = keeping.path(&touched) {
        for (slot, gone, back) in path {
            if let Some(node) = gone {
                keeping.drop(slot, node);
            }
            keeping.take_back(slot, back);
        }
    }
    Kept { slots: keeping.slots, zone_for }
}

/// An exchange in one slot: what goes, if anything must, and what comes back.
type Exchange = (usize, Option<usize>, usize);

struct Keeping<'a> {
    zones: &'a Zones,
    copies: usize,
    targets: &'a [usize],
    slots: Vec<Vec<usize>>,
    dropped: Vec<Vec<usize>>,
    counts: Vec<usize>,
}

impl Keeping<'_> {
    fn drop(&mut self, slot: usize, node: usize) {
        self.slots[slot].retain(|n| *n != node);
        self.dropped[slot].push(node);
        self.counts[node] -= 1;
    }

    fn take_back(&mut self, slot: usize, node: usize) {
        self.dropped[slot].retain(|n| *n != node);
        self.slots[slot].push(node);
        self.counts[node] += 1;
    }

    fn in_zone(&self, slot: usize, zone: usize, leaving: Option<usize>) -> usize {
        let staying = self.slots[slot].iter().filter(|n| Some(**n) != leaving);
        staying.filter(|n| self.zones.of_node[**n] == zone).count()
    }

    /// A slot with more copies than it may have, in a zone or in all, loses those on the fullest nodes.
    fn drop_surplus(&mut self, slot: usize) {
        loop {
            let crowded = |node: &usize| {
                let zone = self.zones.of_node[*node];
                self.in_zone(slot, zone, None) > self.zones.copies_max[zone]
            };
            let too_many = self.slots[slot].len() > self.copies;
            let excess = |node: &usize| self.counts[*node] as i64 - self.targets[*node] as i64;
            let candidates = self.slots[slot].iter().filter(|n| too_many || crowded(n));
            let Some(node) = candidates.max_by_key(|n| (crowded(n), excess(n), **n)).copied() else { return };
            self.drop(slot, node);
        }
    }

    /// Overfull nodes lose copies: first of slots for which some zone has room, so that these can go straight there, then
    /// of any.
    fn drop_overfull(&mut self, order: &[usize]) -> Vec<Option<usize>> {
        let mut room = vec![0usize; self.zones.members.len()];
        for (node, target) in self.targets.iter().enumerate() {
            room[self.zones.of_node[node]] += target.saturating_sub(self.counts[node]);
        }
        let mut zone_for = vec![None; self.slots.len()];
        for straight in [true, false] {
            for slot in order {
                for node in self.slots[*slot].clone() {
                    if self.counts[node] <= self.targets[node] {
                        continue;
                    }
                    let zone = self.zone_with_room(*slot, node, &room).filter(|_| straight);
                    if let Some(zone) = zone {
                        room[zone] -= 1;
                        zone_for[*slot] = Some(zone);
                    } else if straight {
                        continue;
                    }
                    self.drop(*slot, node);
                }
            }
        }
        zone_for
    }

    /// The zone with the most room that may take the copy of `slot` on `leaving`.
    fn zone_with_room(&self, slot: usize, leaving: usize, room: &[usize]) -> Option<usize> {
        let may = |zone: &usize| {
            let in_zone = self.in_zone(slot, *zone, Some(leaving));
            room[*zone] > 0 && in_zone < self.zones.copies_max[*zone] && in_zone < self.zones.members[*zone].len()
        };
        (0..room.len()).filter(may).max_by_key(|zone| room[*zone])
    }

    /// The shortest chain of exchanges after which one more copy stays: from a slot that has place for one that it lost,
    /// by way of full nodes, to a node with room. Breadth first, over the slots in `touched`, which have lost any.
    fn path(&self, touched: &[usize]) -> Option<Vec<Exchange>> {
        let mut by: Vec<Option<Exchange>> = vec![None; self.targets.len()];
        let mut reached = vec![0usize; self.targets.len()];
        for round in 1.. {
            let mut grew = false;
            for slot in touched {
                for back in &self.dropped[*slot] {
                    if reached[*back] > 0 {
                        continue;
                    }
                    let Some(gone) = self.way(*slot, *back, round, &reached) else { continue };
                    reached[*back] = round;
                    by[*back] = Some((*slot, gone, *back));
                    grew = true;
                    if self.counts[*back] < self.targets[*back] {
                        return Some(trace(&by, *back));
                    }
                }
            }
            if !grew {
                break;
            }
        }
        None
    }

    /// How `slot` can have its copy on `back` again: in the first round by a free place, later by giving up one that was
    /// reached a round before. `None` when it can't.
    fn way(&self, slot: usize, back: usize, round: usize, reached: &[usize]) -> Option<Option<usize>> {
        let zone = self.zones.of_node[back];
        let zone_has_place = |leaving| self.in_zone(slot, zone, leaving) < self.zones.copies_max[zone];
        if round == 1 {
            return (self.slots[slot].len() < self.copies && zone_has_place(None)).then_some(None);
        }
        let left = self.slots[slot].iter().find(|n| reached[**n] == round - 1 && zone_has_place(Some(**n)));
        left.map(|n| Some(*n))
    }
}

/// The exchanges that led to `end`, from there back, so that each node has room when its turn comes.
fn trace(by: &[Option<Exchange>], end: usize) -> Vec<Exchange> {
    let mut path = Vec::new();
    let mut at = Some(end);
    while let Some(exchange) = at.and_then(|node: usize| by[node]) {
        path.push(exchange);
        at = exchange.1;
    }
    path
}
