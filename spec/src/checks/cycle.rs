//! AG032: services need each other in a circle.

use std::collections::VecDeque;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::topology::{Need, ServiceId};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(32),
    title: "a cycle in `needs`",
    why: "Services start in the order of their needs and are ready when what they need is ready. In a circle none can be first, and a fault in one brings all down.",
    fix: "Break the circle: publish an event instead of calling back, or move what both need into a third service.",
    before: r#"services:
  user: { port: 9300, needs: [search] }
  search: { port: 9600, needs: [user] }
"#,
    after: r#"services:
  user: { port: 9300 }
  search: { port: 9600, needs: [user] }
"#,
};

/// Each strongly connected group is reported once, by its shortest cycle through its first service.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let mut graph: DiGraph<usize, Span> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..context.services.len()).map(|i| graph.add_node(i)).collect();
    for (from, needs) in context.needs.iter().enumerate() {
        for need in needs {
            if let Need::Service(ServiceId(to)) = need.value {
                graph.add_edge(nodes[from], nodes[to], need.span);
            }
        }
    }
    // Kosaraju's algorithm is iterative: a chain of a hundred thousand services must not overflow the stack.
    let mut groups: Vec<usize> = kosaraju_scc(&graph)
        .into_iter()
        .filter(|group| group.len() > 1 || graph.contains_edge(group[0], group[0]))
        .filter_map(|group| group.into_iter().map(NodeIndex::index).min())
        .collect();
    groups.sort_unstable();
    for first in groups {
        out.push(report(context, &shortest(&graph, nodes[first])));
    }
}

/// Breadth-first search from a service back to itself: the services on the way, each with the edge that leaves it.
fn shortest(graph: &DiGraph<usize, Span>, first: NodeIndex) -> Vec<(usize, Span)> {
    let mut cause: Vec<Option<(NodeIndex, Span)>> = vec![None; graph.node_count()];
    let mut queue = VecDeque::from([first]);
    while let Some(at) = queue.pop_front() {
        let mut edges: Vec<_> = graph.edges(at).map(|e| (*e.weight(), petgraph::visit::EdgeRef::target(&e))).collect();
        edges.sort();
        for (span, to) in edges {
            if to == first {
                let mut path = vec![(at.index(), span)];
                let mut step = at;
                while let Some((from, edge)) = cause[step.index()] {
                    path.push((from.index(), edge));
                    step = from;
                }
                path.reverse();
                return path;
            }
            if cause[to.index()].is_none() {
                cause[to.index()] = Some((at, span));
                queue.push_back(to);
            }
        }
    }
    Vec::new()
}

fn report(context: &Context<'_>, path: &[(usize, Span)]) -> Diagnostic {
    let name = |i: usize| context.services[i].name.value.as_str();
    let first = path.first().map_or(0, |(i, _)| *i);
    let names: Vec<&str> = path.iter().map(|(i, _)| name(*i)).chain([name(first)]).collect();
    let span = path.first().map_or(context.services[first].name.span, |(_, span)| *span);
    let mut fault = Diagnostic::error(EXPLANATION.code, span, format!("cycle in `needs`: {}", names.join(" → ")))
        .with_help("break it: publish an event instead of calling back, or move what both need into a third service");
    for (index, (from, span)) in path.iter().enumerate().skip(1) {
        fault = fault.with_related(*span, format!("`{}` needs `{}`", name(*from), names[index + 1]));
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn the_whole_cycle_is_printed_once() {
        let text = "services:\n  user: { port: 1, needs: [file] }\n  file: { port: 2, needs: [search] }\n  search: { port: 3, needs: [user] }\n";
        let loaded = crate::checks::testing::loaded(text);
        let messages: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(messages, ["cycle in `needs`: user → file → search → user"]);
        assert_eq!(loaded.diagnostics[0].related.len(), 2);
    }
}
