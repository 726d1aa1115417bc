//! The logical view: components and their needs.

use std::collections::BTreeMap;

use archgen_spec::topology::{Component, Topology};
use serde::Serialize;

/// A diagram.
#[derive(Serialize)]
pub(crate) struct Logical {
    name: String,
    nodes: Vec<Vertex>,
    edges: Vec<Edge>,
}

#[derive(Serialize)]
struct Vertex {
    id: String,
    label: String,
    shape: &'static str,
    kind: &'static str,
}

#[derive(Serialize)]
struct Edge {
    from: String,
    to: String,
    label: &'static str,
}

/// Components in order, then needs, then topics written and read. The registry, which everything needs, has no edges.
pub(crate) fn logical(topology: &Topology) -> Logical {
    let components = topology.components();
    let places: BTreeMap<Component, usize> = components.iter().enumerate().map(|(place, c)| (*c, place)).collect();
    let id = |c: Component| format!("c{}", places.get(&c).copied().unwrap_or(0));
    let nodes = components.iter().map(|c| vertex(topology, *c, id(*c))).collect();
    let mut edges = Vec::new();
    for from in &components {
        for to in topology.component_needs(*from).into_iter().filter(|c| *c != Component::Registry) {
            edges.push(Edge { from: id(*from), to: id(to), label: edge_label(topology, *from, to) });
        }
    }
    Logical { name: topology.name.clone(), nodes, edges }
}

fn vertex(topology: &Topology, component: Component, id: String) -> Vertex {
    let name = topology.component_name(component);
    let count = topology.component_instances(component).len();
    let (kind, shape) = match component {
        Component::Registry => ("registry", "box"),
        Component::Store(store) => (topology.store(store).kind.name(), "cylinder"),
        Component::Service(_) => ("service", "box"),
        Component::Realtime => ("socket.io", "hexagon"),
        Component::Gateway => ("nginx", "hexagon"),
    };
    Vertex { id, label: format!("{name} ({kind}, {count})"), shape, kind }
}

/// `writes`, `reads` or both for a topic, else nothing.
fn edge_label(topology: &Topology, from: Component, to: Component) -> &'static str {
    let (Component::Service(service), Component::Store(store)) = (from, to) else { return "" };
    let service = topology.service(service);
    let writes = service.publishes.iter().any(|d| d.store == store);
    let reads = service.consumes.iter().any(|d| d.store == store);
    match (writes, reads) {
        (true, true) => "writes and reads",
        (true, false) => "writes",
        (false, true) => "reads",
        (false, false) => "",
    }
}
