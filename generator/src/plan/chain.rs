//! The cheapest ways to make room for a copy: it goes to a full node, from which a copy of another slot goes on, and so on
//! to a node with room.
//!
//! These are the shortest augmenting paths of the assignment problem (slots to nodes under quotas and zone limits). As long
//! as no shorter path is left when a longer one is taken, the number of moves stays the least possible (Jewell 1958;
//! Busacker and Gowen 1960). The residual network is searched by nodes alone: a slot can be passed through only between a
//! node that it leaves and one that it goes to.

use std::collections::VecDeque;

use super::place::Placement;

/// Price of a step that no slot can make.
const CLOSED: i8 = i8::MAX;

/// A copy of `slot` goes on from one node to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop {
    pub slot: usize,
    pub from: usize,
    pub to: usize,
}

/// The cheapest way from every node to one with room, for the placement as it was when this was made.
pub(super) struct Ways {
    nodes: usize,
    /// Least price at which some slot can go on from one node to another.
    prices: Vec<i8>,
    /// Slots on each node when this was made.
    held: Vec<Vec<usize>>,
    /// How many of them have been looked at for a step; what is used up is searched for again.
    looked_at: Vec<u32>,
    /// Moves and hops to a node with room.
    far: Vec<Option<(i64, usize)>>,
    next: Vec<Option<usize>>,
}

impl Ways {
    pub(super) fn new(placement: &Placement) -> Self {
        let nodes = placement.zones.of_node.len();
        let mut ways = Self {
            nodes,
            prices: vec![CLOSED; nodes * nodes],
            held: vec![Vec::new(); nodes],
            looked_at: vec![0; nodes * nodes],
            far: vec![None; nodes],
            next: vec![None; nodes],
        };
        let wanted: Vec<usize> = placement.wanted().collect();
        for (slot, holders) in placement.slots.iter().enumerate() {
            for from in holders {
                ways.held[*from].push(slot);
                ways.offer(placement, slot, *from, &wanted);
            }
        }
        ways.search(placement);
        ways
    }

    /// What `slot` makes of the steps from one of its nodes. Nearly every step has its price already.
    fn offer(&mut self, placement: &Placement, slot: usize, from: usize, wanted: &[usize]) {
        let (there, back) = (placement.price(slot, from) as i8, &placement.before[slot]);
        let row = &mut self.prices[from * self.nodes..][..self.nodes];
        for to in wanted {
            // No step is cheaper than this one can be.
            if row[*to] > -there {
                let price = i8::from(!back.contains(to)) - there;
                if price < row[*to] && placement.allowed(slot, *to, Some(from)) {
                    row[*to] = price;
                }
            }
        }
    }

    /// From the nodes with room backwards, the queue form of Bellman and Ford's algorithm; fewer hops break ties.
    fn search(&mut self, placement: &Placement) {
        let mut queue: VecDeque<usize> = placement.wanted().filter(|node| placement.lacks(*node) > 0).collect();
        let mut queued = vec![false; self.nodes];
        for node in &queue {
            self.far[*node] = Some((0, 0));
            queued[*node] = true;
        }
        while let Some(to) = queue.pop_front() {
            queued[to] = false;
            let Some((moves, hops)) = self.far[to] else { continue };
            for (from, waiting) in queued.iter_mut().enumerate() {
                let price = self.prices[from * self.nodes + to];
                let reached = (moves + i64::from(price), hops + 1);
                if price != CLOSED && self.far[from].is_none_or(|known| reached < known) {
                    self.far[from] = Some(reached);
                    self.next[from] = Some(to);
                    if !std::mem::replace(waiting, true) {
                        queue.push_back(from);
                    }
                }
            }
        }
    }

    /// The node through which a copy of `slot` gets its place with the fewest moves, and their number.
    pub(super) fn first(&self, placement: &Placement, slot: usize) -> Option<(i64, usize)> {
        let open = placement.wanted().filter(|node| placement.allowed(slot, *node, None));
        let priced = open.filter_map(|node| {
            let (moves, hops) = self.far[node]?;
            Some((moves + placement.price(slot, node), hops, node))
        });
        priced.min().map(|(moves, _, node)| (moves, node))
    }

    /// The hops from `first` on for a copy of `slot`, with slots that can still make them at the same price. `None` when
    /// these are used up or the room is taken.
    pub(super) fn hops(&mut self, placement: &Placement, slot: usize, first: usize) -> Option<Vec<Hop>> {
        let mut hops: Vec<Hop> = Vec::new();
        let mut from = first;
        while placement.lacks(from) == 0 {
            let to = self.next[from]?;
            let step = from * self.nodes + to;
            let found = loop {
                let candidate = *self.held[from].get(self.looked_at[step] as usize)?;
                self.looked_at[step] += 1;
                // The slot's own copies may only change places within their zones: its way into another is taken already.
                let same_zone = placement.zones.of_node[from] == placement.zones.of_node[to];
                let free = hops.iter().all(|h| h.slot != candidate) && (candidate != slot || same_zone);
                let price = placement.price(candidate, to) - placement.price(candidate, from);
                if free
                    && price == i64::from(self.prices[step])
                    && placement.slots[candidate].contains(&from)
                    && placement.allowed(candidate, to, Some(from))
                {
                    break Hop { slot: candidate, from, to };
                }
            };
            hops.push(found);
            if hops.len() > self.nodes {
                return None;
            }
            from = to;
        }
        Some(hops)
    }
}
