//! Cassandra: the tokens of each node. Where every rack holds a copy, a rack's copies are a ring of their own: the copy of a
//! token is on the rack's node with the next token. So the planner decides for each rack which node has which range.

use std::fmt::Write;

use archgen_spec::topology::Store;

use super::Layout;
use crate::plan::Node;

/// The last token of a range: ranges cut the tokens, -2^63 to 2^63 - 1, into equal parts.
pub(in crate::plan) fn token(range: usize, ranges: usize) -> i64 {
    let end = ((range as u128 + 1) << 64) / ranges.max(1) as u128;
    (end as i128 - 1 + i128::from(i64::MIN)) as i64
}

/// No two nodes of a ring have the same token: racks are a token apart.
pub(in crate::plan) fn rack_offset(node: &Node, nodes: &[Node]) -> i64 {
    let mut racks: Vec<&str> = nodes.iter().map(|n| n.zone.as_str()).collect();
    racks.sort_unstable();
    racks.dedup();
    racks.binary_search(&node.zone.as_str()).unwrap_or(0) as i64
}

/// The tokens of a node: the end of each range that it holds, so that a node that joins later can take any one of them.
pub(super) fn tokens(layout: &Layout, node: usize) -> Vec<i64> {
    let ranges = layout.map.placement.len();
    let offset = rack_offset(&layout.nodes[node], &layout.nodes);
    let holds = |range: &usize| layout.map.placement[*range].contains(&(node as u32));
    (0..ranges).filter(holds).map(|range| token(range, ranges) - offset).collect()
}

pub(super) fn files(store: &Store, all: &[Layout]) -> Vec<(String, String)> {
    let Some(layout) = all.first() else { return Vec::new() };
    let racks = rack_count(&layout.nodes);
    let mut text = format!(
        "# Settings of each node of `{}`; the rest of cassandra.yaml is the same on all of them.\n# Racks of cassandra-rackdc.properties \
         are the zones; NetworkTopologyStrategy then keeps one copy in each.\n",
        store.name
    );
    if racks != layout.copies as usize {
        let copies = layout.copies;
        let _ =
            writeln!(text, "# {copies} copies in {racks} racks: which copies a rack holds is decided by the engine.");
    }
    for (index, node) in layout.nodes.iter().enumerate() {
        let own = tokens(layout, index);
        let list: Vec<String> = own.iter().map(i64::to_string).collect();
        // A node of weight 0 is on its way out: it joins no ring.
        if own.is_empty() {
            let _ = writeln!(text, "\n{}: {{}}", node.name);
            continue;
        }
        let _ = write!(
            text,
            "\n{}:\n  rack: {}\n  num_tokens: {}\n  initial_token: \"{}\"\n",
            node.name,
            node.zone,
            own.len(),
            list.join(",")
        );
    }
    vec![("tokens.yaml".to_owned(), text)]
}

fn rack_count(nodes: &[Node]) -> usize {
    let mut racks: Vec<&str> = nodes.iter().map(|n| n.zone.as_str()).collect();
    racks.sort_unstable();
    racks.dedup();
    racks.len()
}
