//! The image of our own hosts.

use archgen_spec::topology::Topology;
use serde::Serialize;

use super::Files;
use crate::GenerateError;
use crate::render::{Content, Engine};

#[derive(Serialize)]
struct Context<'a> {
    system: &'a str,
    version: &'static str,
}

/// `image/Dockerfile`.
pub(crate) fn files(topology: &Topology, engine: &Engine, files: &mut Files) -> Result<(), GenerateError> {
    let context = Context { system: &topology.name, version: env!("CARGO_PKG_VERSION") };
    files.insert("image/Dockerfile".to_owned(), engine.render("image/Dockerfile", &Content::of(&context))?);
    Ok(())
}
