//! The marker file of a data folder: which store and which engine it belongs to, how many nodes that store has, and whether data
//! were ever written there. Data without a marker, or a marker without data, is never taken for an empty store; nor are data looked
//! for on another node than the one that wrote them.

use archgen_env::{Env, disk::File};
use serde::{Deserialize, Serialize};

use super::{NodeConfig, NodeError};
use crate::engine::{Batch, Engine};

const FILE: &str = "archgen-store.json";
const NEW_FILE: &str = "archgen-store.json.new";
const FORMAT: u32 = 1;
/// Key of the row written to the engine before the marker says that it holds data.
const SEAL: &[u8] = b"\0archgen-store";

/// What a data folder says of itself.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Marker {
    format: u32,
    store: String,
    engine: String,
    /// Nodes of the store when it was made: they decide which keys lie here. 0 where an older build did not say.
    #[serde(default)]
    nodes: usize,
    /// Whether the engine was opened and written to.
    #[serde(default)]
    sealed: bool,
}

impl Marker {
    fn failed(source: std::io::Error) -> NodeError {
        NodeError::Disk { file: FILE.to_owned(), source }
    }

    fn foreign(file: &str, reason: String, config: &NodeConfig) -> NodeError {
        NodeError::Foreign { file: file.to_owned(), reason, store: config.store.clone() }
    }

    /// Reads the folder's marker, or writes the first one, before the engine is opened.
    pub(super) fn check(env: &Env, config: &NodeConfig) -> Result<Self, NodeError> {
        let disk = env.disk();
        let (store, engine) = (config.store.clone(), config.engine.name().to_owned());
        let wanted = Self { format: FORMAT, store, engine, nodes: config.nodes, sealed: false };
        let text = match disk.open(FILE, false) {
            Ok(file) => read(file)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Self::failed(error)),
        };
        if text.is_empty() {
            if let Some(name) = disk.list("engine").map_err(Self::failed)?.first() {
                let reason = format!("there is data, but {FILE} is missing or empty");
                return Err(Self::foreign(&format!("engine/{name}"), reason, config));
            }
            wanted.write(env)?;
            return Ok(wanted);
        }
        let found: Self = serde_json::from_slice(&text)
            .map_err(|error| Self::foreign(FILE, format!("it cannot be read: {error}"), config))?;
        if (found.format, &found.store, &found.engine) == (wanted.format, &wanted.store, &wanted.engine) {
            return match found.nodes {
                0 => {
                    let found = Self { nodes: config.nodes, ..found };
                    found.write(env)?;
                    Ok(found)
                }
                nodes if nodes != config.nodes => {
                    Err(NodeError::Resized { store: found.store, was: nodes, now: config.nodes })
                }
                _ => Ok(found),
            };
        }
        let says = format!("it says store `{}`, engine {}, format {}", found.store, found.engine, found.format);
        Err(Self::foreign(FILE, says, config))
    }

    /// Holds the opened engine against the marker; the first time, seals both.
    pub(super) fn seal(self, env: &Env, config: &NodeConfig, engine: &dyn Engine) -> Result<(), NodeError> {
        let has_data = engine.get(SEAL)?.is_some();
        if self.sealed {
            let lost = || format!("{FILE} says that data were written here, but there are none");
            return if has_data { Ok(()) } else { Err(Self::foreign("engine", lost(), config)) };
        }
        if !has_data {
            engine.commit(Batch::from([(SEAL.to_vec(), Some(FORMAT.to_string().into_bytes()))]), true)?;
        }
        Self { sealed: true, ..self }.write(env)
    }

    /// Replaces the file as a whole: a loss of power leaves the old one or the new one.
    fn write(&self, env: &Env) -> Result<(), NodeError> {
        let disk = env.disk();
        let text = serde_json::to_vec(self).map_err(|e| Self::failed(e.into()))?;
        let replace = || {
            let mut file = disk.open(NEW_FILE, true)?;
            file.truncate(0)?;
            file.append(&text)?;
            file.sync()?;
            disk.rename(NEW_FILE, FILE)?;
            disk.sync_directory("")
        };
        replace().map_err(Self::failed)
    }
}

/// Nodes of the store when the data on this disk were made; `None` where there are none, or where they do not say.
pub fn nodes_at_first(env: &Env) -> Option<u32> {
    let found: Marker = serde_json::from_slice(&read(env.disk().open(FILE, false).ok()?).ok()?).ok()?;
    u32::try_from(found.nodes).ok().filter(|nodes| *nodes > 0)
}

fn read(mut file: Box<dyn File>) -> Result<Vec<u8>, NodeError> {
    let length = file.len().map_err(Marker::failed)?;
    let mut text = vec![0; length.min(4_096) as usize];
    let read = file.read_at(0, &mut text).map_err(Marker::failed)?;
    text.truncate(read);
    Ok(text)
}
