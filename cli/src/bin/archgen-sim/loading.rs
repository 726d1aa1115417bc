//! Reads the spec with its overlay.

use std::{
    io::{self, IsTerminal},
    path::Path,
    sync::Arc,
};

use archgen_simulator::fingerprint;
use archgen_spec::{ReadError, topology::Topology};

use crate::{
    program::{Failure, complain},
    settings::lay_over,
    text_file,
};

/// The overlay of a simulation.
const OVERLAY: &str = "sim";

/// A spec that can be simulated.
pub struct Spec {
    /// Its path, as the user gave it.
    pub path: String,
    /// The overlay that was asked for.
    pub environment: Option<String>,
    /// Values set on the command line.
    pub set: Vec<String>,
    /// What it means.
    pub topology: Arc<Topology>,
    /// Fingerprint of its texts.
    pub hash: String,
}

/// Loads a spec, with these settings laid over whatever layer is the last. Its problems are told.
///
/// # Errors
/// It cannot be read or has errors.
pub fn load(path: &Path, environment: Option<&str>, set: &[String]) -> Result<Spec, Failure> {
    let shown = path.display().to_string();
    let text = text_file::read(path).map_err(|error| Failure::Input(format!("cannot read `{shown}`: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let read = |relative: &str| {
        let text = text_file::overlay(&folder.join(relative))?;
        lay_over(&text, set).map_err(|error| ReadError::Other(error.to_string()))
    };
    let variable = |name: &str| std::env::var(name).ok();
    let load =
        |text: String, environment: Option<&str>| archgen_spec::load(&shown, text, environment, &read, &variable);
    let declared = || load(text.clone(), None).environments.iter().any(|name| name == OVERLAY).then_some(OVERLAY);
    let loaded = match environment.or_else(declared) {
        Some(name) => load(text.clone(), Some(name)),
        None => load(lay_over(&text, set).map_err(|error| Failure::Input(error.to_string()))?, None),
    };
    let Some(topology) = loaded.topology else {
        complain(&archgen_spec::diagnostic::human(&loaded.diagnostics, &loaded.sources, io::stderr().is_terminal()));
        return Err(Failure::Input(format!("`{shown}` has errors")));
    };
    let hash = fingerprint(loaded.sources.files().map(|file| loaded.sources.text(file)));
    let environment = environment.map(str::to_owned);
    Ok(Spec { path: shown, environment, set: set.to_vec(), topology: Arc::new(topology), hash })
}
