//! What a new spec changes, in one picture: both systems over each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use archgen_spec::topology::{Component, Topology};

use super::canvas::{Canvas, Role, Theme};
use super::logical::{Arrow, Box, facts, graph, layers};

/// (from, to) by name.
type Edges = BTreeSet<(String, String)>;

/// One system: the facts and the layer of each component by name, and who calls whom.
struct Seen {
    parts: BTreeMap<String, (Vec<String>, usize)>,
    edges: Edges,
}

fn seen(topology: &Topology) -> Seen {
    let components: Vec<Component> = topology.components().into_iter().filter(|c| *c != Component::Registry).collect();
    let layers = layers(topology, &components);
    let name = |c: Component| topology.component_name(c).to_owned();
    let parts = components.iter().zip(layers).map(|(c, layer)| (name(*c), (facts(topology, *c), layer))).collect();
    let mut edges = Edges::new();
    for component in &components {
        for needed in topology.component_needs(*component).into_iter().filter(|c| *c != Component::Registry) {
            edges.insert((name(*component), name(needed)));
        }
    }
    Seen { parts, edges }
}

/// The facts of a component before and after: of what is the same, one.
fn both(was: &[String], is: &[String]) -> Vec<String> {
    let all = (0..was.len().max(is.len())).map(|place| match (was.get(place), is.get(place)) {
        (Some(was), Some(is)) if was != is => format!("{was} → {is}"),
        (Some(one), _) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    });
    all.collect()
}

/// Draws what is added, removed and changed between two systems.
pub fn difference(old: &Topology, new: &Topology, theme: Theme) -> String {
    let (before, after) = (seen(old), seen(new));
    let changed: BTreeSet<String> = crate::diff::changes(old, new).into_iter().filter_map(|c| c.component).collect();
    let names: BTreeSet<&String> = before.parts.keys().chain(after.parts.keys()).collect();
    let last = before.parts.values().chain(after.parts.values()).map(|(_, layer)| *layer).max().unwrap_or(0);
    let mut boxes = Vec::new();
    let mut place = BTreeMap::new();
    for name in names {
        let (role, shown) = match (before.parts.get(name), after.parts.get(name)) {
            (None, Some(now)) => (Role::Added, now.clone()),
            (Some(was), None) => (Role::Removed, was.clone()),
            (Some(was), Some(now)) if was.0 != now.0 => (Role::Changed, (both(&was.0, &now.0), now.1)),
            (_, Some(now)) if changed.contains(name) => (Role::Changed, now.clone()),
            (_, Some(now)) => (Role::Plain, now.clone()),
            (None, None) => continue,
        };
        let store = |t: &Topology| t.store_named(name).is_some();
        let layer = if store(old) || store(new) { last } else { shown.1 };
        place.insert(name.clone(), boxes.len());
        boxes.push(Box { name: name.clone(), note: shown.0.join(" · "), role, layer, dashed: role == Role::Removed });
    }
    let mut arrows = Vec::new();
    for edge in before.edges.union(&after.edges) {
        let (role, strong) = match (before.edges.contains(edge), after.edges.contains(edge)) {
            (false, true) => (Role::Added, true),
            (true, false) => (Role::Removed, true),
            _ => (Role::Plain, false),
        };
        if let (Some(from), Some(to)) = (place.get(&edge.0), place.get(&edge.1)) {
            arrows.push(Arrow { from: *from, to: *to, role, dashed: role == Role::Removed, strong });
        }
    }
    let legend = [Role::Added, Role::Removed, Role::Changed, Role::Plain];
    let mut canvas =
        Canvas::new(theme, &format!("{}: what changes", new.name), "from the old spec to the new one", &legend);
    graph(&mut canvas, &boxes, &arrows, &OnceLock::new());
    canvas.finish()
}
