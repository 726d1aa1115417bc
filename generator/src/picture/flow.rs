//! Which data flow from whom to whom: who writes a topic and who reads it, who keeps what in which table.

use archgen_spec::topology::{Component, DatasetRef, Need, StoreKind, Topology};

use crate::system::System;

use super::canvas::{Canvas, Role, Theme};
use super::logical::{Arrow, Box, boxed, graph, roles};
use super::{View, without};

/// Draws the view: writers, topics, readers, and what each of them keeps.
pub(super) fn draw(system: &System<'_>, theme: Theme) -> String {
    let topology = system.topology;
    let (drawn, left_out) = system.drawn();
    let mut boxes = Vec::new();
    let mut arrows = Vec::new();
    let mut writers = Vec::new();
    let mut readers = Vec::new();
    let mut keepers = Vec::new();
    for component in drawn.iter().copied() {
        let Component::Service(id) = component else { continue };
        let service = topology.service(id);
        writers.extend(service.publishes.iter().map(|d| (component, *d)));
        readers.extend(service.consumes.iter().map(|d| (component, *d)));
        keepers.extend(service.needs.iter().filter_map(|n| kept(topology, *n)).map(|d| (component, d)));
    }
    let mut services: Vec<Component> = writers.iter().chain(&readers).chain(&keepers).map(|(c, _)| *c).collect();
    services.sort_unstable();
    services.dedup();
    let reads_only = |c: &Component| !writers.iter().any(|(w, _)| w == c) && readers.iter().any(|(r, _)| r == c);
    let mut place = std::collections::BTreeMap::new();
    for component in &services {
        place.insert(*component, boxes.len());
        boxes.push(boxed(topology, *component, if reads_only(component) { 2 } else { 0 }));
    }
    let mut data: Vec<DatasetRef> = writers.iter().chain(&readers).chain(&keepers).map(|(_, d)| *d).collect();
    data.sort_unstable();
    data.dedup();
    for of in data {
        let topic = topology.store(of.store).kind == StoreKind::Kafka;
        let at = boxes.len();
        boxes.push(dataset(topology, of, if topic { 1 } else { 3 }));
        for (component, _) in writers.iter().filter(|(_, d)| *d == of) {
            arrows.push(Arrow { from: place[component], to: at, role: Role::Log, dashed: false, strong: true });
        }
        for (component, _) in readers.iter().filter(|(c, d)| *d == of && reads_only(c)) {
            arrows.push(Arrow { from: at, to: place[component], role: Role::Log, dashed: true, strong: true });
        }
        for (component, _) in keepers.iter().filter(|(_, d)| *d == of) {
            arrows.push(Arrow { from: place[component], to: at, role: Role::Store, dashed: false, strong: false });
        }
    }
    let subtitle = format!("writers, topics, readers (dashed), and what each service keeps{}", without(left_out));
    let mut canvas = Canvas::new(theme, &format!("{}: data flow", topology.name), &subtitle, &roles(&boxes));
    graph(&mut canvas, &boxes, &arrows, system.layout(View::Flow));
    canvas.finish()
}

/// In place of a dataset: the store as a whole.
const WHOLE: usize = usize::MAX;

fn kept(topology: &Topology, need: Need) -> Option<DatasetRef> {
    match need {
        Need::Dataset(of) => Some(of),
        // What is written to a log and read from it is said beside the needs.
        Need::Store(store) if topology.store(store).kind != StoreKind::Kafka => {
            Some(DatasetRef { store, dataset: WHOLE })
        }
        Need::Service(_) | Need::Store(_) => None,
    }
}

fn dataset(topology: &Topology, of: DatasetRef, layer: usize) -> Box {
    let store = topology.store(of.store);
    let (name, what) = match store.datasets.get(of.dataset) {
        Some(one) => (format!("{}.{}", store.name, one.name), store.kind.dataset_word().to_owned()),
        // A cache has no datasets: it is one.
        None if store.datasets.is_empty() => (store.name.clone(), store.kind.dataset_word().to_owned()),
        None => (store.name.clone(), format!("all {}", store.kind.dataset_section())),
    };
    let role = if store.kind == StoreKind::Kafka { Role::Log } else { Role::Store };
    Box { name, note: format!("{what} in {}", store.kind.name()), role, layer, dashed: false }
}
