//! Engines: ordered bytes to bytes, atomic batches, explicit durability. Small and synchronous, so that a simulation can run them
//! and crash them.

mod fjall;
mod log;
mod memory;
mod view;

use std::{io, sync::Arc};

use archgen_env::Env;

pub use self::{fjall::FjallEngine, log::LogEngine, memory::MemoryEngine, view::View};

/// A key with its value.
pub type Pair = (Vec<u8>, Vec<u8>);
/// Writes of one batch: key to new value, `None` to delete.
pub type Batch = std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Why an engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// What is on the disk is not what was written: the engine refuses to go on.
    #[error("`{file}` is corrupt{}: {reason}; restore it from a copy, or move it away to begin empty", at(*.offset))]
    Corrupt {
        /// The file, relative to the host's data folder.
        file: String,
        /// Where in it, bytes, where known.
        offset: Option<u64>,
        /// What was found.
        reason: String,
    },
    /// The device failed.
    #[error("`{file}`: {source}")]
    Device {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
}

fn at(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |o| format!(" at byte {o}"))
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// fjall, a log-structured merge tree with files and threads of its own: for fleets on an operating system.
    Fjall,
    /// The deterministic engine: a map in memory behind a write-ahead log on `Env`'s disk.
    Log,
}

impl EngineKind {
    /// Its name in the marker file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Log => "log",
        }
    }
}

/// An ordered map of bytes on a disk.
pub trait Engine: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// See [`EngineError`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Pairs with `from <= key < to`, ascending (descending where `reverse` is set), at most `limit`.
    ///
    /// # Errors
    /// See [`EngineError`].
    fn scan(&self, from: &[u8], to: &[u8], limit: usize, reverse: bool) -> Result<Vec<Pair>, EngineError>;

    /// Applies all writes or none; returns when they survive a loss of power, or, without `sync`, the end of the process.
    ///
    /// # Errors
    /// See [`EngineError`]; afterwards it is not known whether they apply.
    fn commit(&self, batch: Batch, sync: bool) -> Result<(), EngineError>;
}

/// Opens the engine of a host's disk; the first time, an empty one.
///
/// # Errors
/// See [`EngineError`].
pub fn open(env: &Env, kind: EngineKind) -> Result<Arc<dyn Engine>, EngineError> {
    Ok(match kind {
        EngineKind::Fjall => Arc::new(FjallEngine::open(env.disk())?),
        EngineKind::Log => Arc::new(LogEngine::open(env.disk().clone())?),
    })
}
