//! Which node holds which slot: weighted, zone-aware, and with the fewest moves. How many copies a node should hold is
//! decided in `quota`.

use std::collections::BTreeMap;

use archgen_spec::sharding::{SLOTS, SlotMap};
use serde::Serialize;

use super::quota::{Zones, targets};

/// A machine that holds slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Name, unique among the nodes of a store.
    pub name: String,
    /// Failure domain.
    pub zone: String,
    /// Share of the slots relative to the other nodes; 0 empties the node.
    pub weight: u32,
}

/// Places 16,384 slots on `nodes` with `copies` copies each (fewer where there are fewer nodes).
///
/// Loads follow the weights to within one slot as far as the zones allow, and no two copies of a slot share a zone when
/// there are at least as many zones as copies. Without nodes the map is empty.
pub fn plan_slots(nodes: &[Node], copies: u32) -> SlotMap {
    plan_some_slots(nodes, copies, SLOTS)
}

/// As [`plan_slots`], for another number of slots.
pub(crate) fn plan_some_slots(nodes: &[Node], copies: u32, slots: u16) -> SlotMap {
    Placement::new(nodes, copies, vec![Vec::new(); usize::from(slots)]).settle()
}

/// Places the slots of `map` (made for `old`) on `new` with the fewest moves: a node that has to give gives, a node that
/// has to take takes, and no node does both. Nodes are recognised by name; a node that changed its zone keeps its slots
/// as far as the new zone allows.
pub fn replan(map: &SlotMap, old: &[Node], new: &[Node], copies: u32) -> SlotMap {
    let by_name: BTreeMap<&str, usize> = new.iter().enumerate().map(|(i, n)| (n.name.as_str(), i)).collect();
    let translate: Vec<Option<usize>> = old.iter().map(|n| by_name.get(n.name.as_str()).copied()).collect();
    let kept = |holders: &Vec<u32>| -> Vec<usize> {
        holders.iter().filter_map(|n| translate.get(*n as usize).copied().flatten()).collect()
    };
    Placement::new(new, copies, map.placement.iter().map(kept).collect()).settle()
}

/// One copy of a slot on a node; `moved` when it was not there before.
#[derive(Clone, Copy)]
struct Held {
    node: usize,
    moved: bool,
}

/// A placement under construction.
struct Placement {
    zones: Zones,
    copies: usize,
    slots: Vec<Vec<Held>>,
    counts: Vec<usize>,
    targets: Vec<usize>,
    /// What the nodes of each zone lack, in all.
    zone_lacks: Vec<usize>,
    /// Slots that still lack copies.
    open: usize,
}

impl Placement {
    fn new(nodes: &[Node], copies: u32, kept: Vec<Vec<usize>>) -> Self {
        let usable = nodes.iter().filter(|n| n.weight > 0).count();
        let usable = if usable == 0 { nodes.len() } else { usable };
        let copies = (copies.max(1) as usize).min(usable);
        let zones = Zones::new(nodes, copies);
        let mut slots: Vec<Vec<Held>> = vec![Vec::with_capacity(copies); kept.len()];
        let mut counts = vec![0; nodes.len()];
        for (slot, holders) in kept.iter().enumerate() {
            for node in holders {
                let zone = zones.of_node[*node];
                let in_zone = slots[slot].iter().filter(|h: &&Held| zones.of_node[h.node] == zone).count();
                if in_zone < zones.copies_max[zone] {
                    slots[slot].push(Held { node: *node, moved: false });
                    counts[*node] += 1;
                }
            }
        }
        let targets = targets(nodes, &zones, slots.len(), copies, &counts);
        let zone_lacks = vec![0; zones.members.len()];
        Self { zones, copies, slots, counts, targets, zone_lacks, open: 0 }
    }

    fn settle(mut self) -> SlotMap {
        if self.counts.is_empty() {
            return SlotMap { placement: vec![Vec::new(); self.slots.len()] };
        }
        self.drop_surplus();
        for node in 0..self.counts.len() {
            self.zone_lacks[self.zones.of_node[node]] += self.lacks(node);
        }
        let order = self.shuffled();
        self.open = self.slots.iter().filter(|s| s.len() < self.copies).count();
        for slot in &order {
            let was_open = self.slots[*slot].len() < self.copies;
            while self.slots[*slot].len() < self.copies {
                let Some(node) = self.taker(*slot, None) else { break };
                self.add(*slot, node);
            }
            self.open -= usize::from(was_open);
        }
        self.open = usize::MAX;
        for slot in &order {
            while self.slots[*slot].len() < self.copies && self.make_room(*slot, None) {}
        }
        for slot in &order {
            for place in 0..self.slots[*slot].len() {
                self.relieve(*slot, place);
            }
        }
        for slot in &order {
            for place in 0..self.slots[*slot].len() {
                let held = self.slots[*slot][place];
                if self.counts[held.node] > self.targets[held.node] {
                    self.make_room(*slot, Some(place));
                }
            }
        }
        self.rank();
        let placement = self.slots.iter().map(|s| s.iter().map(|h| h.node as u32).collect()).collect();
        SlotMap { placement }
    }

    /// Where a slot has more copies than wanted, the fullest nodes lose theirs. Where a node lost too many and another
    /// too few, they exchange, since what was there already costs no move.
    fn drop_surplus(&mut self) {
        let mut dropped = Vec::new();
        for slot in 0..self.slots.len() {
            while self.slots[slot].len() > self.copies {
                let excess = |h: &Held| self.counts[h.node] as i64 - self.targets[h.node] as i64;
                let place = (0..self.slots[slot].len()).max_by_key(|p| excess(&self.slots[slot][*p])).unwrap_or(0);
                let gone = self.slots[slot].remove(place);
                self.counts[gone.node] -= 1;
                dropped.push((slot, gone));
            }
        }
        while let Some(chain) = self.exchanges(&dropped) {
            for (index, place) in chain {
                let (slot, gone) = dropped[index];
                let other = std::mem::replace(&mut self.slots[slot][place], gone);
                self.counts[other.node] -= 1;
                self.counts[gone.node] += 1;
                dropped[index].1 = other;
            }
        }
    }

    /// The shortest chain of exchanges (index in `dropped`, place in its slot) by which a node with too many copies gives
    /// one up and a node with too few gets one back: breadth first from all nodes with too many.
    fn exchanges(&self, dropped: &[(usize, Held)]) -> Option<Vec<(usize, usize)>> {
        let over = |node: usize| self.counts[node] > self.targets[node];
        let mut reached: Vec<bool> = (0..self.counts.len()).map(over).collect();
        let mut by: Vec<Option<(usize, usize)>> = vec![None; self.counts.len()];
        loop {
            let before = reached.clone();
            for (index, (slot, gone)) in dropped.iter().enumerate() {
                if reached[gone.node] {
                    continue;
                }
                let Some(place) = self.slots[*slot].iter().position(|h| before[h.node]) else { continue };
                reached[gone.node] = true;
                by[gone.node] = Some((index, place));
                if self.lacks(gone.node) > 0 {
                    let mut chain = Vec::new();
                    let mut node = gone.node;
                    while let Some((index, place)) = by[node] {
                        chain.push((index, place));
                        node = self.slots[dropped[index].0][place].node;
                    }
                    return Some(chain);
                }
            }
            if before == reached {
                return None;
            }
        }
    }

    /// Slots in an order without pattern, the same on every run.
    fn shuffled(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_by_key(|s| (mix(*s as u64), *s));
        order
    }

    fn add(&mut self, slot: usize, node: usize) {
        self.slots[slot].push(Held { node, moved: true });
        self.gain(node);
    }

    fn gain(&mut self, node: usize) {
        self.counts[node] += 1;
        if self.counts[node] <= self.targets[node] {
            self.zone_lacks[self.zones.of_node[node]] -= 1;
        }
    }

    fn lose(&mut self, node: usize) {
        self.counts[node] -= 1;
        if self.counts[node] < self.targets[node] {
            self.zone_lacks[self.zones.of_node[node]] += 1;
        }
    }

    fn lacks(&self, node: usize) -> usize {
        self.targets[node].saturating_sub(self.counts[node])
    }

    /// Whether `node` may hold a copy of `slot` once the copy at `leaving` is gone.
    fn allowed(&self, slot: usize, node: usize, leaving: Option<usize>) -> bool {
        let zone = self.zones.of_node[node];
        let others = || self.slots[slot].iter().enumerate().filter(|(p, _)| Some(*p) != leaving).map(|(_, h)| h.node);
        !self.slots[slot].iter().any(|h| h.node == node)
            && others().filter(|n| self.zones.of_node[*n] == zone).count() < self.zones.copies_max[zone]
    }

    /// A node with too few copies that may take `slot`. Zones and nodes have chances in proportion to what they lack, so
    /// that the slots of one node are spread over all others; but a zone that lacks a copy of every slot still open must
    /// take this one.
    fn taker(&self, slot: usize, leaving: Option<usize>) -> Option<usize> {
        let mut lacking = Vec::with_capacity(self.zones.members.len());
        for (zone, lacks) in self.zone_lacks.iter().enumerate() {
            let holders = self.slots[slot].iter().enumerate().filter(|(_, h)| self.zones.of_node[h.node] == zone);
            let (mut staying, mut closed) = (0, 0);
            for (place, held) in holders {
                staying += usize::from(Some(place) != leaving);
                closed += self.lacks(held.node);
            }
            lacking.push(if staying < self.zones.copies_max[zone] { lacks.saturating_sub(closed) } else { 0 });
        }
        let total: usize = lacking.iter().sum();
        if total == 0 {
            return None;
        }
        let chance = mix((slot as u64) << 8 | self.slots[slot].len() as u64);
        let must = (0..lacking.len()).max_by_key(|z| lacking[*z]).filter(|z| lacking[*z] >= self.open);
        let zone = must.or_else(|| pick(chance, total, lacking.iter().copied().enumerate()))?;
        let free = |node: &usize| !self.slots[slot].iter().any(|h| h.node == *node);
        let members = self.zones.members[zone].iter().map(|n| (*n, if free(n) { self.lacks(*n) } else { 0 }));
        pick(mix(chance), lacking[zone], members)
    }

    /// Moves one copy off an overfull node, where some node may take it.
    fn relieve(&mut self, slot: usize, place: usize) {
        let from = self.slots[slot][place].node;
        if self.counts[from] <= self.targets[from] {
            return;
        }
        if let Some(to) = self.taker(slot, Some(place)) {
            self.transfer(slot, place, to);
        }
    }

    fn transfer(&mut self, slot: usize, place: usize, to: usize) {
        let from = self.slots[slot][place].node;
        self.lose(from);
        self.gain(to);
        self.slots[slot][place] = Held { node: to, moved: true };
    }

    /// Frees a place for `slot` on a node that is full: another slot goes from there to a node that lacks copies. A copy
    /// that moves anyway is redirected before one that could have stayed is moved. False when nothing helps.
    fn make_room(&mut self, slot: usize, leaving: Option<usize>) -> bool {
        for redirected_only in [true, false] {
            let full: Vec<usize> =
                (0..self.counts.len()).filter(|n| self.targets[*n] > 0 && self.allowed(slot, *n, leaving)).collect();
            let found = (0..self.slots.len()).filter(|other| *other != slot).find_map(|other| {
                let place = self.slots[other]
                    .iter()
                    .position(|h| (h.moved || !redirected_only) && full.binary_search(&h.node).is_ok())?;
                Some((other, place, self.taker(other, Some(place))?))
            });
            if let Some((other, place, to)) = found {
                let freed = self.slots[other][place].node;
                self.transfer(other, place, to);
                match leaving {
                    Some(place) => self.transfer(slot, place, freed),
                    None => self.add(slot, freed),
                }
                return true;
            }
        }
        false
    }

    /// Puts the primary first: each node leads about its share of the slots it holds. Changing a rank moves no data.
    fn rank(&mut self) {
        let mut leads = vec![0i64; self.counts.len()];
        for held in self.slots.iter().filter_map(|s| s.first()) {
            leads[held.node] += 1;
        }
        let share = |node: usize, leads: i64, counts: &[usize]| leads * 1_000_000 / (counts[node].max(1) as i64);
        for _ in 0..16 {
            let mut changed = false;
            for slot in 0..self.slots.len() {
                let Some(first) = self.slots[slot].first().map(|h| h.node) else { continue };
                let best = (1..self.slots[slot].len()).min_by_key(|p| {
                    let node = self.slots[slot][*p].node;
                    (share(node, leads[node] + 1, &self.counts), node)
                });
                let Some(place) = best else { continue };
                let node = self.slots[slot][place].node;
                if share(node, leads[node] + 1, &self.counts) < share(first, leads[first], &self.counts) {
                    self.slots[slot].swap(0, place);
                    leads[first] -= 1;
                    leads[node] += 1;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
    }
}

/// One of `choices` with chances in proportion to their weights, which sum up to `total`.
fn pick(chance: u64, total: usize, choices: impl Iterator<Item = (usize, usize)>) -> Option<usize> {
    let mut point = (chance % total.max(1) as u64) as usize;
    for (choice, weight) in choices {
        if point < weight {
            return Some(choice);
        }
        point -= weight;
    }
    None
}

/// Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a fixed scattering of small numbers.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
