//! Which node holds which slot: weighted, zone-aware, and with the fewest moves. How many copies a node should hold is
//! decided in `quota`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use archgen_spec::sharding::{SLOTS, SlotMap};
use serde::Serialize;

use super::chain::{Hop, Ways};
use super::kept::{Kept, most_kept};
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

/// A placement under construction.
pub(super) struct Placement {
    pub(super) zones: Zones,
    copies: usize,
    /// Nodes that held each slot before, whether they still do or not: a copy there costs no move.
    pub(super) before: Vec<Vec<usize>>,
    pub(super) slots: Vec<Vec<usize>>,
    counts: Vec<usize>,
    targets: Vec<usize>,
    /// What the nodes of each zone lack, in all.
    zone_lacks: Vec<usize>,
    /// Zones with room for what slots lost.
    zone_for: Vec<Option<usize>>,
    /// Slots in the order in which they are served.
    order: Vec<usize>,
    /// Slots that still lack copies.
    open: usize,
}

impl Placement {
    fn new(nodes: &[Node], copies: u32, before: Vec<Vec<usize>>) -> Self {
        let usable = nodes.iter().filter(|n| n.weight > 0).count();
        let usable = if usable == 0 { nodes.len() } else { usable };
        let copies = (copies.max(1) as usize).min(usable);
        let zones = Zones::new(nodes, copies);
        let targets = targets(nodes, &zones, before.len(), copies, &admitted(&before, &zones));
        let order = shuffled(before.len());
        let Kept { slots, zone_for } = match before.iter().all(Vec::is_empty) {
            true => Kept { slots: before.clone(), zone_for: vec![None; before.len()] },
            false => most_kept(&before, &zones, copies, &targets, &order),
        };
        let mut counts = vec![0; nodes.len()];
        slots.iter().flatten().for_each(|node| counts[*node] += 1);
        let mut zone_lacks = vec![0; zones.members.len()];
        for (node, target) in targets.iter().enumerate() {
            zone_lacks[zones.of_node[node]] += target.saturating_sub(counts[node]);
        }
        Self { zones, copies, before, slots, counts, targets, zone_lacks, zone_for, order, open: 0 }
    }

    /// Gives each slot the copies that it lacks. A copy that goes straight to a node with room costs one move, the least
    /// there is once all that can stay stays; what finds no such node goes by the cheapest chain.
    fn settle(mut self) -> SlotMap {
        if self.counts.is_empty() {
            return SlotMap { placement: vec![Vec::new(); self.slots.len()] };
        }
        let order = std::mem::take(&mut self.order);
        for slot in &order {
            let Some(zone) = self.zone_for[*slot] else { continue };
            if let Some(node) = self.taker_in(*slot, zone, mix(*slot as u64)).filter(|n| self.allowed(*slot, *n, None))
            {
                self.put(*slot, node);
            }
        }
        self.open = order.iter().filter(|s| self.lacks_copies(**s)).count();
        let mut lacking = Vec::with_capacity(self.zones.members.len());
        for slot in &order {
            let was_open = self.lacks_copies(*slot);
            while self.lacks_copies(*slot) {
                let Some(node) = self.taker(*slot, &mut lacking) else { break };
                self.put(*slot, node);
            }
            self.open -= usize::from(was_open);
        }
        self.settle_by_chains(order.into_iter().filter(|s| self.lacks_copies(*s)).collect());
        self.rank();
        let placement = self.slots.iter().map(|s| s.iter().map(|node| *node as u32).collect()).collect();
        SlotMap { placement }
    }

    /// Slots that found no node with room get one by chains, the cheapest first.
    fn settle_by_chains(&mut self, mut open: Vec<usize>) {
        let mut moves_max = 1;
        while !open.is_empty() {
            let mut ways = Ways::new(self);
            let mut cheapest = i64::MAX;
            let mut changed = false;
            for slot in open.iter().copied() {
                let Some((moves, first)) = ways.first(self, slot) else { continue };
                cheapest = cheapest.min(moves);
                if moves > moves_max {
                    continue;
                }
                if let Some(hops) = ways.hops(self, slot, first) {
                    self.follow(slot, first, &hops);
                    changed = true;
                }
            }
            open.retain(|slot| self.lacks_copies(*slot));
            if !changed {
                // No chain is longer than there are nodes, so that no price is higher.
                if cheapest == i64::MAX || moves_max > self.counts.len() as i64 {
                    break;
                }
                moves_max = cheapest.max(moves_max + 1);
            }
        }
    }

    /// Carries a chain out, its end first, so that no node is ever above its target.
    fn follow(&mut self, slot: usize, first: usize, hops: &[Hop]) {
        for hop in hops.iter().rev() {
            self.counts[hop.from] -= 1;
            self.zone_lacks[self.zones.of_node[hop.from]] += 1;
            self.slots[hop.slot].retain(|node| *node != hop.from);
            self.put(hop.slot, hop.to);
        }
        self.put(slot, first);
    }

    fn lacks_copies(&self, slot: usize) -> bool {
        self.slots[slot].len() < self.copies
    }

    fn put(&mut self, slot: usize, node: usize) {
        self.slots[slot].push(node);
        self.counts[node] += 1;
        self.zone_lacks[self.zones.of_node[node]] -= 1;
    }

    pub(super) fn lacks(&self, node: usize) -> usize {
        self.targets[node].saturating_sub(self.counts[node])
    }

    /// Nodes that hold copies in the end.
    pub(super) fn wanted(&self) -> impl Iterator<Item = usize> {
        (0..self.targets.len()).filter(|node| self.targets[*node] > 0)
    }

    /// Moves that a copy of `slot` on `node` costs.
    pub(super) fn price(&self, slot: usize, node: usize) -> i64 {
        i64::from(!self.before[slot].contains(&node))
    }

    /// Whether `node` may hold a copy of `slot` once the copy on `leaving` is gone.
    pub(super) fn allowed(&self, slot: usize, node: usize, leaving: Option<usize>) -> bool {
        let zone = self.zones.of_node[node];
        let others = || self.slots[slot].iter().filter(|n| Some(**n) != leaving);
        !self.slots[slot].contains(&node)
            && others().filter(|n| self.zones.of_node[**n] == zone).count() < self.zones.copies_max[zone]
    }

    /// A node with too few copies that may take `slot`. Zones and nodes have chances in proportion to what they lack, so
    /// that the slots of one node are spread over all others; but a zone that lacks a copy of every slot still open must
    /// take this one. `lacking` is room for what each zone lacks.
    fn taker(&self, slot: usize, lacking: &mut Vec<usize>) -> Option<usize> {
        lacking.clear();
        for (zone, lacks) in self.zone_lacks.iter().enumerate() {
            let holders = self.slots[slot].iter().filter(|node| self.zones.of_node[**node] == zone);
            let (mut held, mut closed) = (0, 0);
            for node in holders {
                held += 1;
                closed += self.lacks(*node);
            }
            lacking.push(if held < self.zones.copies_max[zone] { lacks.saturating_sub(closed) } else { 0 });
        }
        let total: usize = lacking.iter().sum();
        if total == 0 {
            return None;
        }
        let chance = mix((slot as u64) << 8 | self.slots[slot].len() as u64);
        let must = (0..lacking.len()).max_by_key(|z| lacking[*z]).filter(|z| lacking[*z] >= self.open);
        let zone = must.or_else(|| pick(chance, total, lacking.iter().copied().enumerate()))?;
        self.taker_in(slot, zone, mix(chance))
    }

    /// A node of `zone` with too few copies that does not hold `slot`, with chances as above.
    fn taker_in(&self, slot: usize, zone: usize, chance: u64) -> Option<usize> {
        let holders = &self.slots[slot];
        let lacks = |node: &usize| if holders.contains(node) { 0 } else { self.lacks(*node) };
        let here = holders.iter().filter(|node| self.zones.of_node[**node] == zone);
        let total = self.zone_lacks[zone] - here.map(|node| self.lacks(*node)).sum::<usize>();
        pick(chance, total, self.zones.members[zone].iter().map(|node| (*node, lacks(node))))
    }

    /// Puts the primary first: each node leads about its share of the slots it holds. Changing a rank moves no data.
    fn rank(&mut self) {
        let mut leads = vec![0i64; self.counts.len()];
        self.slots.iter().filter_map(|s| s.first()).for_each(|node| leads[*node] += 1);
        let share = |node: usize, leads: i64| leads * 1_000_000 / (self.counts[node].max(1) as i64);
        // Each node's share now, and with one slot more.
        let shares = |node: usize, leads: &[i64]| (share(node, leads[node]), share(node, leads[node] + 1));
        let mut known: Vec<(i64, i64)> = (0..leads.len()).map(|node| shares(node, &leads)).collect();
        for _ in 0..16 {
            let mut changed = false;
            for slot in &mut self.slots {
                let Some(first) = slot.first().copied() else { continue };
                let best = (1..slot.len()).min_by_key(|p| (known[slot[*p]].1, slot[*p]));
                let Some(place) = best else { continue };
                let node = slot[place];
                if known[node].1 < known[first].0 {
                    slot.swap(0, place);
                    leads[first] -= 1;
                    leads[node] += 1;
                    known[first] = shares(first, &leads);
                    known[node] = shares(node, &leads);
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
    }
}

/// Copies that each node may keep as far as zones go, counted in declared order: what rounding should follow.
fn admitted(before: &[Vec<usize>], zones: &Zones) -> Vec<usize> {
    let mut counts = vec![0; zones.of_node.len()];
    for holders in before {
        for (place, node) in holders.iter().enumerate() {
            let zone = zones.of_node[*node];
            let in_zone = holders[..place].iter().filter(|n| zones.of_node[**n] == zone).count();
            counts[*node] += usize::from(in_zone < zones.copies_max[zone]);
        }
    }
    counts
}

/// Slots in an order without pattern, the same on every run.
fn shuffled(slots: usize) -> Vec<usize> {
    static ALL: LazyLock<Vec<usize>> = LazyLock::new(|| sorted(usize::from(SLOTS)));
    fn sorted(slots: usize) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = (0..slots).map(|s| (mix(s as u64), s)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, slot)| slot).collect()
    }
    if slots == usize::from(SLOTS) { ALL.clone() } else { sorted(slots) }
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
