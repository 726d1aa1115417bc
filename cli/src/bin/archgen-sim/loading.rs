//! Reads the spec with its overlay.

use std::{
    fs,
    io::{self, IsTerminal},
    path::Path,
    sync::Arc,
};

use archgen_simulator::fingerprint;
use archgen_spec::{ReadError, topology::Topology};

use crate::program::{Failure, complain};

/// The overlay of a simulation.
const OVERLAY: &str = "sim";

/// A spec that can be simulated.
pub struct Spec {
    /// Its path, as the user gave it.
    pub path: String,
    /// The overlay that was asked for.
    pub environment: Option<String>,
    /// What it means.
    pub topology: Arc<Topology>,
    /// Fingerprint of its texts.
    pub hash: String,
}

/// Loads a spec. Its problems are told.
///
/// # Errors
/// It cannot be read or has errors.
pub fn load(path: &Path, environment: Option<&str>) -> Result<Spec, Failure> {
    let shown = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| Failure::Input(format!("cannot read `{shown}`: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let read = |relative: &str| {
        fs::read_to_string(folder.join(relative)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::Missing,
            io::ErrorKind::InvalidData => ReadError::NotText,
            _ => ReadError::Other(error.to_string()),
        })
    };
    let variable = |name: &str| std::env::var(name).ok();
    let load = |environment: Option<&str>| archgen_spec::load(&shown, text.clone(), environment, &read, &variable);
    let loaded = match environment {
        Some(name) => load(Some(name)),
        None => {
            let base = load(None);
            if base.environments.iter().any(|e| e == OVERLAY) { load(Some(OVERLAY)) } else { base }
        }
    };
    let Some(topology) = loaded.topology else {
        complain(&archgen_spec::diagnostic::human(&loaded.diagnostics, &loaded.sources, io::stderr().is_terminal()));
        return Err(Failure::Input(format!("`{shown}` has errors")));
    };
    let hash = fingerprint(loaded.sources.files().map(|file| loaded.sources.text(file)));
    Ok(Spec { path: shown, environment: environment.map(str::to_owned), topology: Arc::new(topology), hash })
}
