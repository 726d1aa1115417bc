//! Pictures as SVG, drawn here without another program: which part calls which, where each instance is, what flows, where slots lie,
//! and what a new spec changes.
//!
//! `layers` decides places, `canvas` writes shapes in the colours of a theme, one module for each view says what is drawn.

mod canvas;
mod difference;
mod domains;
mod flow;
mod layers;
mod logical;
mod shards;

#[cfg(test)]
mod tests;

use archgen_spec::topology::Topology;

use crate::system::System;

pub use canvas::Theme;
pub(crate) use canvas::escaped;
pub use difference::difference;
pub(crate) use layers::Layout;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Which component calls which.
    Logical,
    /// Which instance is in which failure domain.
    Domains,
    /// Which data flow from whom to whom.
    Flow,
    /// How the slots of each store lie on its nodes.
    Shards,
}

impl View {
    /// Every view with its name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("logical", Self::Logical),
        ("failure-domains", Self::Domains),
        ("data-flow", Self::Flow),
        ("shards", Self::Shards),
    ];
}

/// A view of a system. The same topology gives the same bytes.
pub fn picture(topology: &Topology, view: View, theme: Theme) -> String {
    of(&System::of(topology), view, theme)
}

/// What a subtitle says of components that are not in the picture.
fn without(left_out: usize) -> String {
    if left_out == 0 { String::new() } else { format!("; {left_out} components with fewer arrows are left out") }
}

/// The same of a system that is derived already.
pub(crate) fn of(system: &System<'_>, view: View, theme: Theme) -> String {
    match view {
        View::Logical => logical::draw(system, theme),
        View::Domains => domains::draw(system, theme),
        View::Flow => flow::draw(system, theme),
        View::Shards => shards::draw(system, theme),
    }
}
