//! Which instance is in which failure domain: a column for each, so that the loss of one is a column gone.

use archgen_spec::topology::Topology;

use crate::system::System;

use super::canvas::{Anchor, Canvas, HEADER, MARGIN, Place, Role, Theme, Weight};
use super::without;

const NAMES: i64 = 220;
const ZONE: i64 = 250;
const CHIP: i64 = 14;
const STEP: i64 = 19;
const ROW: i64 = 34;
/// Chips side by side in one domain.
const PER_LINE: usize = 12;

/// Draws the view.
pub(super) fn draw(system: &System<'_>, theme: Theme) -> String {
    let topology = system.topology;
    let (drawn, left_out) = system.drawn();
    let components: Vec<_> = drawn.iter().copied().filter(|c| !topology.component_instances(*c).is_empty()).collect();
    let mut roles: Vec<Role> = components.iter().map(|c| Role::of(topology, *c)).collect();
    roles.sort_unstable();
    roles.dedup();
    let subtitle = format!("each square is an instance; a column is what fails together{}", without(left_out));
    let mut canvas = Canvas::new(theme, &format!("{}: failure domains", topology.name), &subtitle, &roles);
    let top = MARGIN + HEADER;
    let heights: Vec<i64> = components
        .iter()
        .map(|c| {
            let most = topology.zones.iter().map(|z| count(topology, *c, z)).max().unwrap_or(0);
            ROW + most.div_ceil(PER_LINE).saturating_sub(1) as i64 * STEP
        })
        .collect();
    let whole: i64 = heights.iter().sum::<i64>() + 44;
    for (index, zone) in topology.zones.iter().enumerate() {
        let x = MARGIN + NAMES + index as i64 * (ZONE + 16);
        canvas.field(Place { x, y: top, width: ZONE, height: whole }, zone);
    }
    let right = MARGIN + NAMES + topology.zones.len() as i64 * (ZONE + 16) - 16;
    let mut y = top + 34;
    for (component, height) in components.iter().zip(&heights) {
        let name = topology.component_name(*component);
        canvas.rule(MARGIN, y, right);
        let name = super::canvas::cut(name, 13, Weight::Bold, NAMES - 20);
        canvas.text(MARGIN, y + 22, &name, 13, Weight::Bold, Anchor::Start);
        let role = Role::of(topology, *component);
        for (index, zone) in topology.zones.iter().enumerate() {
            let x = MARGIN + NAMES + index as i64 * (ZONE + 16) + 12;
            let here: Vec<_> =
                topology.component_instances(*component).into_iter().filter(|i| i.zone == *zone).collect();
            for (number, instance) in here.iter().enumerate() {
                let (column, line) = (number % PER_LINE, number / PER_LINE);
                let place =
                    Place { x: x + column as i64 * STEP, y: y + 10 + line as i64 * STEP, width: CHIP, height: CHIP };
                canvas.raw(&format!("<g><title>{}</title>", super::canvas::escaped(&instance.name)));
                canvas.block(place, role, "0.85");
                canvas.raw("</g>");
            }
        }
        y += height;
    }
    canvas.finish()
}

fn count(topology: &Topology, component: archgen_spec::topology::Component, zone: &str) -> usize {
    topology.component_instances(component).iter().filter(|i| i.zone == zone).count()
}
