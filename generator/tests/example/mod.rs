//! Loads a committed example.

use std::path::Path;

use archgen_spec::topology::Topology;

/// The topology of `examples/NAME/topology.yaml`.
pub fn topology(name: &str, environment: Option<&str>) -> Topology {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    let text = std::fs::read_to_string(folder.join("topology.yaml")).expect("the example");
    let read = |path: &str| {
        std::fs::read_to_string(folder.join(path)).map_err(|e| archgen_spec::ReadError::Other(e.to_string()))
    };
    let loaded = archgen_spec::load("topology.yaml", text, environment, &read, &|_| Some("set".to_owned()));
    loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}
