//! The marker file of a data folder: which store and which engine it belongs to. Data without its marker is never taken for an
//! empty store.

use archgen_env::Env;
use serde::{Deserialize, Serialize};

use super::{NodeConfig, NodeError};

const FILE: &str = "archgen-store.json";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Marker {
    format: u32,
    store: String,
    engine: String,
}

pub(super) fn check(env: &Env, config: &NodeConfig) -> Result<(), NodeError> {
    let disk = env.disk();
    let failed = |source| NodeError::Disk { file: FILE.to_owned(), source };
    let foreign =
        |file: &str, reason: String| NodeError::Foreign { file: file.to_owned(), reason, store: config.store.clone() };
    let wanted = Marker { format: FORMAT, store: config.store.clone(), engine: config.engine.name().to_owned() };
    let mut file = disk.open(FILE, true).map_err(failed)?;
    let length = file.len().map_err(failed)?;
    if length == 0 {
        let left = disk.list("engine").map_err(failed)?;
        if let Some(name) = left.first() {
            return Err(foreign(&format!("engine/{name}"), format!("there is data, but {FILE} is missing or empty")));
        }
        let text = serde_json::to_vec(&wanted).map_err(|e| failed(e.into()))?;
        file.append(&text).map_err(failed)?;
        file.sync().map_err(failed)?;
        return disk.sync_directory("").map_err(failed);
    }
    let mut text = vec![0; length.min(4_096) as usize];
    let read = file.read_at(0, &mut text).map_err(failed)?;
    match serde_json::from_slice::<Marker>(&text[..read]) {
        Ok(found) if found == wanted => Ok(()),
        Ok(found) => Err(foreign(
            FILE,
            format!("it says store `{}`, engine {}, format {}", found.store, found.engine, found.format),
        )),
        Err(error) => Err(foreign(FILE, format!("it cannot be read: {error}"))),
    }
}
