//! fjall as an engine: a log-structured merge tree in files of its own.

use std::{io, ops::Bound, path::Path, sync::Arc};

use archgen_env::disk::Disk;
use fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Batch, Engine, EngineError, Pair};

const FOLDER: &str = "engine";
/// Memory for cached blocks, bytes.
const CACHE_BYTES_MAX: u64 = 8 << 20;
/// Length of the journal before memtables are flushed, bytes; fjall's least.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// See the module's documentation.
pub struct FjallEngine {
    database: Database,
    keyspace: Keyspace,
}

/// fjall's errors by what a person can do about them.
fn failed(error: &Error) -> EngineError {
    let file = FOLDER.to_owned();
    match error {
        Error::Io(source) => EngineError::Device { file, source: io::Error::new(source.kind(), source.to_string()) },
        Error::Locked => EngineError::Device {
            file,
            source: io::Error::new(io::ErrorKind::WouldBlock, "another process has this folder open"),
        },
        other => EngineError::Corrupt { file, offset: None, reason: other.to_string() },
    }
}

impl FjallEngine {
    /// Opens the database under the disk's root, or makes an empty one.
    ///
    /// # Errors
    /// See [`EngineError`]; a disk without a root is a [`EngineError::Device`].
    pub fn open(disk: &Arc<dyn Disk>) -> Result<Self, EngineError> {
        let root = disk.root().ok_or_else(|| EngineError::Device {
            file: FOLDER.to_owned(),
            source: io::Error::new(io::ErrorKind::Unsupported, "fjall needs a real disk"),
        })?;
        let database = Self::database(&root.join(FOLDER)).map_err(|e| failed(&e))?;
        let keyspace = database.keyspace("store", KeyspaceCreateOptions::default).map_err(|e| failed(&e))?;
        Ok(Self { database, keyspace })
    }

    fn database(path: &Path) -> Result<Database, Error> {
        Database::builder(path)
            .cache_size(CACHE_BYTES_MAX)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(1)
            .open()
    }
}

impl Engine for FjallEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.keyspace.get(key).map_err(|e| failed(&e))?.map(|v| v.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize, reverse: bool) -> Result<Vec<Pair>, EngineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let range = self.keyspace.range::<&[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let pair =
            |guard: fjall::Guard| guard.into_inner().map(|(k, v)| (k.to_vec(), v.to_vec())).map_err(|e| failed(&e));
        if reverse { range.rev().take(limit).map(pair).collect() } else { range.take(limit).map(pair).collect() }
    }

    fn commit(&self, batch: Batch, sync: bool) -> Result<(), EngineError> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut writes = self.database.batch().durability(Some(mode));
        for (key, value) in batch {
            match value {
                Some(value) => writes.insert(&self.keyspace, key, value),
                None => writes.remove(&self.keyspace, key),
            }
        }
        writes.commit().map_err(|e| failed(&e))
    }
}
