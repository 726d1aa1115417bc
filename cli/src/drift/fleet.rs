//! The fleet that `archgen up` runs.

use archgen_generator::diff::{difference_of_facts, facts};
use archgen_spec::topology::Topology;

use super::{Drifted, drifted};
use crate::{
    spec_files,
    state::{FleetFile, StateFolder},
};

/// Compares.
///
/// # Errors
/// No fleet is up.
pub fn fleet(state: &StateFolder, topology: &Topology) -> anyhow::Result<Vec<Drifted>> {
    let running = FleetFile::load(state)?;
    let difference = difference_of_facts(&facts(&spec_files::reload(&running.spec)?), &facts(topology));
    let value = |v: &Option<String>| v.clone().unwrap_or_else(|| "nothing".to_owned());
    let each = difference
        .changes
        .iter()
        .map(|c| drifted("fleet", &c.path, format!("runs with {}, the spec says {}", value(&c.from), value(&c.to))));
    Ok(each.collect())
}
