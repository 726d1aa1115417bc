//! Which component calls which: clients on the left, stores on the right.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use archgen_spec::topology::{Component, Topology};

use crate::system::System;

use super::canvas::{Canvas, HEADER, MARGIN, Place, Role, Theme};
use super::layers::{Graph, Layout, layout};
use super::{View, without};

pub(super) const WIDTH: i64 = 216;
pub(super) const HEIGHT: i64 = 52;
const GAP: i64 = 18;
const BETWEEN: i64 = 110;
/// Components up to which arrows to stores are drawn; of a larger system they would hide everything else.
const STORE_ARROWS_MAX: usize = 60;

/// One box.
pub(super) struct Box {
    pub(super) name: String,
    pub(super) note: String,
    pub(super) role: Role,
    pub(super) layer: usize,
    pub(super) dashed: bool,
}

/// One arrow, by index of boxes.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) role: Role,
    pub(super) dashed: bool,
    pub(super) strong: bool,
}

/// Draws the view.
pub(super) fn draw(system: &System<'_>, theme: Theme) -> String {
    let topology = system.topology;
    let (drawn, left_out) = system.drawn();
    let components: Vec<Component> = drawn.iter().copied().filter(|c| *c != Component::Registry).collect();
    let layers = layers(topology, &components);
    let mut boxes: Vec<Box> = components.iter().zip(&layers).map(|(c, layer)| boxed(topology, *c, *layer)).collect();
    let many = components.len() > STORE_ARROWS_MAX;
    let places = places(&components);
    let mut arrows = Vec::new();
    for (from, component) in components.iter().enumerate() {
        if many {
            boxes[from].note = kept(system, *component);
        }
        for needed in topology.component_needs(*component) {
            let drawn = !many || !matches!(needed, Component::Store(_));
            if let Some(to) = places.get(&needed).copied().filter(|_| drawn) {
                arrows.push(Arrow { from, to, role: boxes[to].role, dashed: false, strong: false });
            }
        }
    }
    let instances = topology.instances().len();
    let zones = topology.zones.len();
    let subtitle = format!(
        "{} components, {instances} instances, {zones} failure domains: who calls whom{}",
        topology.components().len(),
        without(left_out)
    );
    let mut canvas = Canvas::new(theme, &topology.name, &subtitle, &roles(&boxes));
    graph(&mut canvas, &boxes, &arrows, system.layout(View::Logical));
    canvas.finish()
}

/// Index of each component.
fn places(components: &[Component]) -> BTreeMap<Component, usize> {
    components.iter().enumerate().map(|(place, component)| (*component, place)).collect()
}

/// Stores that a component needs, and how many need a store: words instead of arrows, and little besides, for a box has no room.
fn kept(system: &System<'_>, component: Component) -> String {
    let topology = system.topology;
    let count = topology.component_instances(component).len();
    if let Component::Store(id) = component {
        return format!("{} · ×{count} · for {}", topology.store(id).kind.name(), system.callers(component).len());
    }
    let stores = topology.component_needs(component).into_iter().filter(|c| matches!(c, Component::Store(_)));
    let names: Vec<&str> = stores.map(|c| topology.component_name(c)).collect();
    if names.is_empty() { note(topology, component) } else { format!("×{count} → {}", names.join(", ")) }
}

/// What a legend needs to explain.
pub(super) fn roles(boxes: &[Box]) -> Vec<Role> {
    let mut roles: Vec<Role> = boxes.iter().map(|b| b.role).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

pub(super) fn boxed(topology: &Topology, component: Component, layer: usize) -> Box {
    Box {
        name: topology.component_name(component).to_owned(),
        note: note(topology, component),
        role: Role::of(topology, component),
        layer,
        dashed: false,
    }
}

/// Kind, number of instances, port.
pub(super) fn note(topology: &Topology, component: Component) -> String {
    facts(topology, component).join(" · ")
}

/// The parts of a note.
pub(super) fn facts(topology: &Topology, component: Component) -> Vec<String> {
    let instances = topology.component_instances(component);
    let kind = match component {
        Component::Registry => "registry",
        Component::Gateway => "gateway",
        Component::Realtime => "socket.io",
        Component::Store(id) => topology.store(id).kind.name(),
        Component::Service(_) => "service",
    };
    match instances.first() {
        None => vec![kind.to_owned(), "elsewhere".to_owned()],
        Some(first) => vec![kind.to_owned(), format!("×{}", instances.len()), format!(":{}", first.port)],
    }
}

/// Layer of each component: one more than what calls it. Stores stand together at the end.
pub(super) fn layers(topology: &Topology, components: &[Component]) -> Vec<usize> {
    let places = places(components);
    let mut layer: Vec<usize> = components.iter().map(|_| 0).collect();
    let callers = |c: &Component| matches!(c, Component::Service(_));
    for (place, component) in components.iter().enumerate() {
        if callers(component) {
            layer[place] = 1;
        }
    }
    // Needs have no cycles, so that as many rounds as there are components are enough; it mostly takes a few.
    for _ in 0..components.len() {
        let mut moved = false;
        for (from, component) in components.iter().enumerate().filter(|(_, c)| callers(c)) {
            for needed in topology.component_needs(*component).into_iter().filter(callers) {
                if let Some(to) = places.get(&needed).copied()
                    && layer[to] <= layer[from]
                {
                    layer[to] = layer[from] + 1;
                    moved = true;
                }
            }
        }
        if !moved {
            break;
        }
    }
    let last = layer.iter().max().map_or(1, |m| m + 1);
    for (place, component) in components.iter().enumerate() {
        if matches!(component, Component::Store(_)) {
            layer[place] = last;
        }
    }
    layer
}

/// Draws boxes and arrows below the header, where they are placed already or are now.
pub(super) fn graph(canvas: &mut Canvas, boxes: &[Box], arrows: &[Arrow], placed: &OnceLock<Layout>) {
    // A layer without a box would only be a detour.
    let used: BTreeSet<usize> = boxes.iter().map(|b| b.layer).collect();
    let ranks: BTreeMap<usize, usize> = used.into_iter().enumerate().map(|(rank, layer)| (layer, rank)).collect();
    let layer = |place: usize| ranks[&boxes[place].layer];
    let edges: Vec<&Arrow> = arrows.iter().filter(|a| layer(a.from) < layer(a.to)).collect();
    let placed = placed.get_or_init(|| {
        layout(&Graph {
            layer: (0..boxes.len()).map(layer).collect(),
            edges: edges.iter().map(|a| (a.from, a.to)).collect(),
            height: HEIGHT,
            gap: GAP,
        })
    });
    let top = MARGIN + HEADER;
    // Tall pictures have more arrows side by side, which need more room to bend.
    let between = BETWEEN + (placed.height / 40).min(400);
    let left = |layer: usize| MARGIN + layer as i64 * (WIDTH + between);
    // An arrow may pass below every box.
    canvas.reach(MARGIN, top + placed.height);
    for (arrow, bends) in edges.iter().zip(&placed.bends) {
        let mut points = vec![(left(layer(arrow.from)) + WIDTH, top + placed.y[arrow.from])];
        for (passed, y) in bends {
            points.push((left(*passed), top + y));
            points.push((left(*passed) + WIDTH, top + y));
        }
        points.push((left(layer(arrow.to)) - 2, top + placed.y[arrow.to]));
        canvas.curve(&points, arrow.role, arrow.dashed, arrow.strong);
    }
    for (place, (item, y)) in boxes.iter().zip(&placed.y).enumerate() {
        let place = Place { x: left(layer(place)), y: top + y - HEIGHT / 2, width: WIDTH, height: HEIGHT };
        canvas.card(place, item.role, &item.name, &item.note, item.dashed);
    }
}
