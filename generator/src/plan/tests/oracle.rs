//! The fewest moves by which a placement can come about, found by minimum-cost flow: slow and plainly right.

use std::collections::VecDeque;

use archgen_spec::sharding::SlotMap;

use crate::plan::Node;

struct Edge {
    to: usize,
    room: i64,
    cost: i64,
}

/// A flow network; edge `i` and its reverse `i ^ 1` stand side by side.
#[derive(Default)]
struct Network {
    edges: Vec<Edge>,
    from: Vec<Vec<usize>>,
}

impl Network {
    fn vertex(&mut self) -> usize {
        self.from.push(Vec::new());
        self.from.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize, room: i64, cost: i64) {
        self.from[from].push(self.edges.len());
        self.edges.push(Edge { to, room, cost });
        self.from[to].push(self.edges.len());
        self.edges.push(Edge { to: from, room: 0, cost: -cost });
    }

    /// Flow and cost of the largest flow of least cost: successive shortest paths, each found by Bellman and Ford's way.
    fn least_cost(&mut self, source: usize, sink: usize) -> (i64, i64) {
        let (mut flow, mut cost) = (0, 0);
        loop {
            let mut far = vec![i64::MAX; self.from.len()];
            let mut by = vec![usize::MAX; self.from.len()];
            let mut queued = vec![false; self.from.len()];
            far[source] = 0;
            let mut queue = VecDeque::from([source]);
            while let Some(at) = queue.pop_front() {
                queued[at] = false;
                for id in &self.from[at] {
                    let edge = &self.edges[*id];
                    if edge.room > 0 && far[at] + edge.cost < far[edge.to] {
                        far[edge.to] = far[at] + edge.cost;
                        by[edge.to] = *id;
                        if !std::mem::replace(&mut queued[edge.to], true) {
                            queue.push_back(edge.to);
                        }
                    }
                }
            }
            if far[sink] == i64::MAX {
                return (flow, cost);
            }
            let mut at = sink;
            while at != source {
                self.edges[by[at]].room -= 1;
                self.edges[by[at] ^ 1].room += 1;
                at = self.edges[by[at] ^ 1].to;
            }
            flow += 1;
            cost += far[sink];
        }
    }
}

/// The fewest moves from `before` (made for `old`) to any placement on `new` in which each node holds as many copies as
/// it does in `after` and no slot has more copies in a zone than the most that `after` has anywhere.
pub(super) fn fewest_moves(before: &SlotMap, old: &[Node], after: &SlotMap, new: &[Node], zone_most: i64) -> i64 {
    let mut zones: Vec<&str> = new.iter().map(|n| n.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let mut network = Network::default();
    let (source, sink) = (network.vertex(), network.vertex());
    let nodes: Vec<usize> = new.iter().map(|_| network.vertex()).collect();
    for (index, vertex) in nodes.iter().enumerate() {
        let held = after.placement.iter().filter(|s| s.contains(&(index as u32))).count();
        network.edge(*vertex, sink, held as i64, 0);
    }
    for (was, is) in before.placement.iter().zip(&after.placement) {
        let names: Vec<&str> = was.iter().map(|n| old[*n as usize].name.as_str()).collect();
        let slot = network.vertex();
        network.edge(source, slot, is.len() as i64, 0);
        for zone in &zones {
            let in_zone = network.vertex();
            network.edge(slot, in_zone, zone_most, 0);
            for (node, vertex) in new.iter().zip(&nodes).filter(|(n, _)| n.zone == *zone) {
                network.edge(in_zone, *vertex, 1, i64::from(!names.contains(&node.name.as_str())));
            }
        }
    }
    let wanted: usize = after.placement.iter().map(Vec::len).sum();
    let (flow, cost) = network.least_cost(source, sink);
    assert_eq!(flow, wanted as i64, "the placement under test is one of those that the network allows");
    cost
}
