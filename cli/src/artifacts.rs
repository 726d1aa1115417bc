//! From a spec to its artifacts, in the same way for every command that writes or compares them.

use std::path::Path;

use anyhow::anyhow;
use archgen_generator::{Artifacts, GenerateError, Options, Target, generate, keep_synced};
use archgen_spec::{Loaded, topology::Topology};

use crate::{
    exit::{self, Failure},
    out_folder::OutFolder,
    printer::Printer,
    spec_files::{self, Environment},
};

/// Values of the spec that are named as what cannot be written; the rest are not.
const NAMED_MAX: usize = 3;

/// A spec without errors, and what is generated from it.
pub struct Made {
    /// The system.
    pub topology: Topology,
    /// Its artifacts.
    pub new: Artifacts,
}

/// Checks a spec and generates these targets (none: all of them). What `archgen sync` keeps in `out` is taken from there.
///
/// # Errors
/// The spec has errors or cannot be read, or a value has no form in a target's language.
pub fn make(
    spec: &Path,
    environment: Option<&str>,
    only: Vec<Target>,
    out: Option<&OutFolder>,
    printer: Printer,
) -> Result<Made, Failure> {
    let (topology, loaded) = spec_files::checked(spec, Environment::Exactly(environment), printer)?;
    let options = Options { only, loaded: Some(&loaded), ..Options::default() };
    let explained = |error| explained(error, &loaded, spec, environment);
    let mut new = generate(&topology, &options).map_err(explained)?;
    if let Some(out) = out {
        let on_disk = |path: &str| String::from_utf8(out.read(path).ok()??).ok();
        keep_synced(&topology, &mut new, &on_disk).map_err(explained)?;
    }
    Ok(Made { topology, new })
}

/// A value that no target can hold is a mistake in the spec: it is named with its place. A long spec is read again for that.
fn explained(error: GenerateError, loaded: &Loaded, spec: &Path, environment: Option<&str>) -> Failure {
    let GenerateError::Unwritable { text, .. } = &error else { return anyhow!(error).into() };
    let again = match loaded.origins.iter().next() {
        Some(_) => None,
        None => spec_files::load(spec, Environment::Exactly(environment)).ok(),
    };
    let loaded = again.as_ref().map_or(loaded, |(loaded, _)| loaded);
    let written = loaded.origins.iter().filter(|(_, origin)| origin.value == *text);
    let places = written.map(|(path, origin)| format!("`{path}` at {}", origin.place(&loaded.sources)));
    let places: Vec<String> = places.take(NAMED_MAX).collect();
    let message = if places.is_empty() { error.to_string() } else { format!("{error}; it is {}", places.join(", ")) };
    Failure::new(exit::WRONG, message)
}
