//! How the slots of each store lie on its nodes: a bar for each node, its first copies strong and its further copies pale.

use archgen_spec::topology::Topology;

use super::canvas::{Anchor, Canvas, HEADER, MARGIN, Place, Role, Theme, Weight, cut, width};
use crate::system::System;

const NAMES: i64 = 190;
const BAR: i64 = 460;
const ROW: i64 = 24;
/// Nodes that are drawn one by one; of a larger store the rest is counted.
const NODES_MAX: usize = 48;

/// Draws the view.
pub(super) fn draw(system: &System<'_>, theme: Theme) -> String {
    let topology = system.topology;
    let subtitle = "slots of each node: strong where it has the first copy, pale where it has a further one";
    let mut canvas = Canvas::new(theme, &format!("{}: shards", topology.name), subtitle, &[]);
    canvas.legend(topology.zones.iter().take(TURN.len()).map(|zone| (role(topology, zone), zone.as_str())));
    let mut y = MARGIN + HEADER;
    for (name, store) in &system.plan().stores {
        let kind = store.kind;
        canvas.text(MARGIN, y + 14, &cut(name, 15, Weight::Bold, NAMES - 10), 15, Weight::Bold, Anchor::Start);
        let copies = store.slots.placement.first().map_or(0, Vec::len);
        let word = if copies == 1 { "copy" } else { "copies" };
        let balance = store.balance.max_over_mean_permille;
        canvas.note(
            MARGIN + NAMES,
            y + 14,
            &format!(
                "{kind} · {} slots · {copies} {word} · fullest node at {}.{} % of the mean",
                store.slots.placement.len(),
                balance / 10,
                balance % 10
            ),
        );
        y += 26;
        let most = store.balance.copies.iter().max().copied().unwrap_or(1).max(1);
        for (index, node) in store.nodes.iter().enumerate().take(NODES_MAX) {
            let (all, first) = (i64::from(store.balance.copies[index]), i64::from(store.balance.primaries[index]));
            let role = role(topology, &node.zone);
            canvas.note(MARGIN, y + 13, &label(name, &node.name, &node.zone));
            let bar = |slots: i64| (BAR * slots / i64::from(most)).max(1);
            let place = |width| Place { x: MARGIN + NAMES, y: y + 2, width, height: ROW - 8 };
            canvas.block(place(bar(all)), role, "0.28");
            if first > 0 {
                canvas.block(place(bar(first)), role, "0.9");
            }
            canvas.note(MARGIN + NAMES + bar(all) + 8, y + 13, &format!("{all}"));
            y += ROW;
        }
        if store.nodes.len() > NODES_MAX {
            canvas.note(MARGIN + NAMES, y + 13, &format!("and {} nodes more", store.nodes.len() - NODES_MAX));
            y += ROW;
        }
        y += 22;
    }
    canvas.reach(MARGIN + NAMES + BAR + 60, y - 22);
    canvas.finish()
}

/// A node's name and zone. Of a long name its number stays.
fn label(store: &str, node: &str, zone: &str) -> String {
    let number = node.strip_prefix(store).unwrap_or(node);
    let rest = format!("{number} · {}", cut(zone, 12, Weight::Normal, NAMES / 2));
    let left = NAMES - 10 - width(&rest, 12, Weight::Normal);
    format!("{}{rest}", cut(&node[..node.len() - number.len()], 12, Weight::Normal, left))
}

/// Colours that zones have in turn.
const TURN: [Role; 6] = [Role::Service, Role::Store, Role::Program, Role::Log, Role::Edge, Role::Registry];

fn role(topology: &Topology, zone: &str) -> Role {
    let index = topology.zones.iter().position(|z| z == zone).unwrap_or(0);
    TURN[index % TURN.len()]
}
