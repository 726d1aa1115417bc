//! The deterministic engine: a map in memory behind a write-ahead log. No thread, no clock, no randomness.
//!
//! A record is `length: u32 | check: u32 | checksum: u64 | payload`, little-endian: the check is of the length and the record's
//! place, the checksum of the payload, both by xxh3-64. A log that ends in the middle of a record was torn by a loss of power: the
//! tail was never acknowledged and is cut off. A record whose length or payload fails its check is corruption, and the engine
//! refuses to open; without a check of its own, a damaged length would look like a torn tail and cut off what follows.
//!
//! After a failed write or sync the log is cut back to what is known to be durable before anything else is written; while that
//! fails, so does every commit.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use archgen_env::disk::{Disk, File};
use xxhash_rust::xxh3::xxh3_64;

use super::{Batch, Engine, EngineError, Pair};

const FILE: &str = "engine/log";
const NEW_FILE: &str = "engine/log.new";
const FOLDER: &str = "engine";
/// Bytes before a record's payload.
const HEAD_BYTES: usize = 16;
/// Length of one record's payload.
const RECORD_BYTES_MAX: usize = 64 << 20;
/// The log is rewritten when it is this long and at least twice as long as its live content.
const COMPACT_BYTES_MIN: u64 = 16 << 20;
/// Content of one record of a rewritten log, about.
const PART_BYTES: usize = 8 << 20;

struct Log {
    file: Box<dyn File>,
    /// Length of the whole records, bytes.
    bytes: u64,
    /// Length at which the next rewrite is tried, bytes.
    compact_bytes: u64,
    /// What must be done before the next record can be trusted.
    repair: Repair,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Repair {
    Nothing,
    /// The file may be longer than its whole records, or its tail unsynced.
    CutTail,
    /// The rewritten log's name may not survive a loss of power.
    SyncName,
}

#[derive(Default)]
struct Map {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bytes that the pairs take in a log.
    live_bytes: u64,
}

impl Map {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_bytes = key.len() as u64 + 8;
        let old = match value {
            Some(value) => {
                self.live_bytes += key_bytes + value.len() as u64;
                self.pairs.insert(key, value)
            }
            None => self.pairs.remove(&key),
        };
        if let Some(old) = old {
            self.live_bytes -= key_bytes + old.len() as u64;
        }
    }
}

/// See the module's documentation.
pub struct LogEngine {
    disk: Arc<dyn Disk>,
    map: Mutex<Map>,
    log: Mutex<Log>,
    compact_bytes_min: u64,
}

fn device(source: std::io::Error) -> EngineError {
    EngineError::Device { file: FILE.to_owned(), source }
}

impl LogEngine {
    /// Opens the log on this disk, or makes an empty one.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, EngineError> {
        Self::open_with(disk, COMPACT_BYTES_MIN)
    }

    /// As [`LogEngine::open`], rewriting the log from this length on.
    pub(super) fn open_with(disk: Arc<dyn Disk>, compact_bytes_min: u64) -> Result<Self, EngineError> {
        // A rewrite that did not get as far as its rename is worth nothing.
        disk.remove(NEW_FILE).map_err(device)?;
        let mut file = disk.open(FILE, true).map_err(device)?;
        let mut map = Map::default();
        let bytes = replay(&mut *file, &mut map)?;
        file.truncate(bytes).map_err(device)?;
        file.sync().map_err(device)?;
        disk.sync_directory(FOLDER).map_err(device)?;
        disk.sync_directory("").map_err(device)?;
        let log = Log { file, bytes, compact_bytes: compact_bytes_min, repair: Repair::Nothing };
        Ok(Self { disk, map: Mutex::new(map), log: Mutex::new(log), compact_bytes_min })
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the file back to its whole, durable records.
    fn repair(&self, log: &mut Log) -> Result<(), EngineError> {
        match log.repair {
            Repair::Nothing => return Ok(()),
            Repair::CutTail => {
                log.file.truncate(log.bytes).map_err(device)?;
                log.file.sync().map_err(device)?;
            }
            Repair::SyncName => self.disk.sync_directory(FOLDER).map_err(device)?,
        }
        log.repair = Repair::Nothing;
        Ok(())
    }

    /// Rewrites the log as the live content, atomically by a rename.
    fn compact(&self, log: &mut Log) -> Result<(), EngineError> {
        let mut file = self.disk.open(NEW_FILE, true).map_err(device)?;
        file.truncate(0).map_err(device)?;
        let mut bytes = 0;
        let mut part = Batch::new();
        let mut size = 0;
        {
            let map = self.map();
            for (key, value) in &map.pairs {
                size += key.len() + value.len();
                part.insert(key.clone(), Some(value.clone()));
                if size > PART_BYTES {
                    bytes += write(&mut *file, bytes, &std::mem::take(&mut part))?;
                    size = 0;
                }
            }
        }
        bytes += write(&mut *file, bytes, &part)?;
        file.sync().map_err(device)?;
        self.disk.rename(NEW_FILE, FILE).map_err(device)?;
        // From here on the old file has no name: nothing may be written to it any more.
        (log.file, log.bytes, log.repair) = (file, bytes, Repair::SyncName);
        self.repair(log)
    }

    /// Rewrites a log that has become long and mostly dead. The commit before it stands whatever comes of it.
    fn compact_if_worth(&self, log: &mut Log) {
        if log.bytes < log.compact_bytes {
            return;
        }
        let live = self.map().live_bytes;
        if log.bytes >= 2 * live
            && let Err(error) = self.compact(log)
        {
            tracing::warn!(%error, "the log was not rewritten");
        }
        log.compact_bytes = log.bytes.max(live) + self.compact_bytes_min;
    }
}

/// Appends a record at `offset`, the file's end; returns its length.
fn write(file: &mut dyn File, offset: u64, batch: &Batch) -> Result<u64, EngineError> {
    let record = encode(offset, batch)?;
    file.append(&record).map_err(device)?;
    Ok(record.len() as u64)
}

/// The check of a record's length at its place.
fn check(offset: u64, length: u32) -> [u8; 4] {
    let mut head = [0u8; 12];
    head[..8].copy_from_slice(&offset.to_le_bytes());
    head[8..].copy_from_slice(&length.to_le_bytes());
    (xxh3_64(&head) as u32).to_le_bytes()
}

fn encode(offset: u64, batch: &Batch) -> Result<Vec<u8>, EngineError> {
    let mut record = vec![0u8; HEAD_BYTES];
    for (key, value) in batch {
        record.extend_from_slice(&(key.len() as u32).to_le_bytes());
        record.extend_from_slice(key);
        match value {
            Some(value) => {
                record.extend_from_slice(&(value.len() as u32 + 1).to_le_bytes());
                record.extend_from_slice(value);
            }
            None => record.extend_from_slice(&0u32.to_le_bytes()),
        }
    }
    let (head, payload) = record.split_at_mut(HEAD_BYTES);
    if payload.len() > RECORD_BYTES_MAX {
        // Written, it would be taken for corruption at the next start.
        let reason = format!("a batch of {} bytes is more than {RECORD_BYTES_MAX}", payload.len());
        return Err(device(std::io::Error::new(std::io::ErrorKind::InvalidInput, reason)));
    }
    let length = payload.len() as u32;
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..8].copy_from_slice(&check(offset, length));
    head[8..].copy_from_slice(&xxh3_64(payload).to_le_bytes());
    Ok(record)
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*head))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn apply(mut payload: &[u8], map: &mut Map) -> Option<()> {
    while !payload.is_empty() {
        let length = take_u32(&mut payload)? as usize;
        let key = take(&mut payload, length)?.to_vec();
        match take_u32(&mut payload)? {
            0 => map.set(key, None),
            length => map.set(key, Some(take(&mut payload, length as usize - 1)?.to_vec())),
        }
    }
    Some(())
}

/// Reads every whole record into the map; returns where the last one ends.
fn replay(file: &mut dyn File, map: &mut Map) -> Result<u64, EngineError> {
    let corrupt = |offset, reason: &str| EngineError::Corrupt {
        file: FILE.to_owned(),
        offset: Some(offset),
        reason: reason.to_owned(),
    };
    let total = file.len().map_err(device)?;
    let mut offset = 0;
    while total - offset >= HEAD_BYTES as u64 {
        let mut head = [0u8; HEAD_BYTES];
        read_exactly(file, offset, &mut head)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        if head[4..8] != check(offset, length) || length as usize > RECORD_BYTES_MAX {
            return Err(corrupt(offset, "the record's length does not match its check"));
        }
        let length = length as usize;
        if total - offset < (HEAD_BYTES + length) as u64 {
            break;
        }
        let mut payload = vec![0u8; length];
        read_exactly(file, offset + HEAD_BYTES as u64, &mut payload)?;
        if xxh3_64(&payload).to_le_bytes() != head[8..] {
            return Err(corrupt(offset, "the record's checksum does not match"));
        }
        apply(&payload, map).ok_or_else(|| corrupt(offset, "the record's content makes no sense"))?;
        offset += (HEAD_BYTES + length) as u64;
    }
    Ok(offset)
}

fn read_exactly(file: &mut dyn File, mut offset: u64, mut buffer: &mut [u8]) -> Result<(), EngineError> {
    while !buffer.is_empty() {
        let read = file.read_at(offset, buffer).map_err(device)?;
        if read == 0 {
            return Err(device(std::io::ErrorKind::UnexpectedEof.into()));
        }
        offset += read as u64;
        buffer = &mut buffer[read..];
    }
    Ok(())
}

impl Engine for LogEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.map().pairs.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize, reverse: bool) -> Result<Vec<Pair>, EngineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let map = self.map();
        let range = map.pairs.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let clone = |(k, v): (&Vec<u8>, &Vec<u8>)| (k.clone(), v.clone());
        Ok(if reverse { range.rev().take(limit).map(clone).collect() } else { range.take(limit).map(clone).collect() })
    }

    fn commit(&self, batch: Batch, sync: bool) -> Result<(), EngineError> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = &mut *log;
        self.repair(log)?;
        let record = encode(log.bytes, &batch)?;
        // Until both have succeeded, what is behind the last record is not to be trusted.
        log.repair = Repair::CutTail;
        log.file.append(&record).map_err(device)?;
        if sync {
            log.file.sync().map_err(device)?;
        }
        log.repair = Repair::Nothing;
        log.bytes += record.len() as u64;
        // Only now may readers see it: what they see is durable.
        {
            let mut map = self.map();
            for (key, value) in batch {
                map.set(key, value);
            }
        }
        self.compact_if_worth(log);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
