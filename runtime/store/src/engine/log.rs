//! The deterministic engine: a map in memory behind a write-ahead log. No thread, no clock, no randomness.
//!
//! A record is `length: u32 | checksum: u64 | payload`, little-endian, the checksum xxh3-64 of the payload. A log that ends in the
//! middle of a record was torn by a loss of power: the tail was never acknowledged and is cut off. A record whose checksum does
//! not match is corruption, and the engine refuses to open.

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
const HEAD_BYTES: usize = 12;
/// Length of one record's payload.
const RECORD_BYTES_MAX: usize = 64 << 20;
/// The log is rewritten when it is this long and at least twice as long as its live content.
const COMPACT_BYTES_MIN: u64 = 16 << 20;

struct Log {
    file: Box<dyn File>,
    bytes: u64,
}

/// See the module's documentation.
pub struct LogEngine {
    disk: Arc<dyn Disk>,
    map: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    log: Mutex<Log>,
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
        // A rewrite that did not get as far as its rename is worth nothing.
        disk.remove(NEW_FILE).map_err(device)?;
        let mut file = disk.open(FILE, true).map_err(device)?;
        let mut map = BTreeMap::new();
        let bytes = replay(&mut *file, &mut map)?;
        file.truncate(bytes).map_err(device)?;
        file.sync().map_err(device)?;
        disk.sync_directory(FOLDER).map_err(device)?;
        Ok(Self { disk, map: Mutex::new(map), log: Mutex::new(Log { file, bytes }) })
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rewrites the log as one record of the live content, atomically by a rename.
    fn compact(&self, log: &mut Log) -> Result<(), EngineError> {
        let live: Batch = self.map().iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
        let mut file = self.disk.open(NEW_FILE, true).map_err(device)?;
        file.truncate(0).map_err(device)?;
        let mut bytes = 0;
        let mut part = Batch::new();
        let mut size = 0;
        for (key, value) in live {
            size += key.len() + value.as_ref().map_or(0, Vec::len);
            part.insert(key, value);
            if size > RECORD_BYTES_MAX / 4 {
                let record = encode(&std::mem::take(&mut part));
                bytes += record.len() as u64;
                file.append(&record).map_err(device)?;
                size = 0;
            }
        }
        let record = encode(&part);
        bytes += record.len() as u64;
        file.append(&record).map_err(device)?;
        file.sync().map_err(device)?;
        self.disk.rename(NEW_FILE, FILE).map_err(device)?;
        self.disk.sync_directory(FOLDER).map_err(device)?;
        *log = Log { file, bytes };
        Ok(())
    }
}

fn encode(batch: &Batch) -> Vec<u8> {
    let mut payload = Vec::new();
    for (key, value) in batch {
        payload.extend_from_slice(&(key.len() as u32).to_le_bytes());
        payload.extend_from_slice(key);
        match value {
            Some(value) => {
                payload.extend_from_slice(&(value.len() as u32 + 1).to_le_bytes());
                payload.extend_from_slice(value);
            }
            None => payload.extend_from_slice(&0u32.to_le_bytes()),
        }
    }
    let mut record = Vec::with_capacity(HEAD_BYTES + payload.len());
    record.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    record.extend_from_slice(&xxh3_64(&payload).to_le_bytes());
    record.extend_from_slice(&payload);
    record
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

fn apply(mut payload: &[u8], map: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Option<()> {
    while !payload.is_empty() {
        let length = take_u32(&mut payload)? as usize;
        let key = take(&mut payload, length)?.to_vec();
        match take_u32(&mut payload)? {
            0 => {
                map.remove(&key);
            }
            length => {
                map.insert(key, take(&mut payload, length as usize - 1)?.to_vec());
            }
        }
    }
    Some(())
}

/// Reads every whole record into the map; returns where the last one ends.
fn replay(file: &mut dyn File, map: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Result<u64, EngineError> {
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
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length > RECORD_BYTES_MAX {
            return Err(corrupt(offset, "the record's length is impossible"));
        }
        if total - offset < (HEAD_BYTES + length) as u64 {
            break;
        }
        let mut payload = vec![0u8; length];
        read_exactly(file, offset + HEAD_BYTES as u64, &mut payload)?;
        if xxh3_64(&payload).to_le_bytes() != head[4..] {
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
        Ok(self.map().get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize, reverse: bool) -> Result<Vec<Pair>, EngineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let map = self.map();
        let range = map.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let clone = |(k, v): (&Vec<u8>, &Vec<u8>)| (k.clone(), v.clone());
        Ok(if reverse { range.rev().take(limit).map(clone).collect() } else { range.take(limit).map(clone).collect() })
    }

    fn commit(&self, batch: Batch, sync: bool) -> Result<(), EngineError> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let record = encode(&batch);
        log.file.append(&record).map_err(device)?;
        log.bytes += record.len() as u64;
        if sync {
            log.file.sync().map_err(device)?;
        }
        // Only now may readers see it: what they see is durable.
        {
            let mut map = self.map();
            for (key, value) in batch {
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
        }
        if log.bytes >= COMPACT_BYTES_MIN {
            let live: usize = self.map().iter().map(|(k, v)| k.len() + v.len() + 8).sum();
            if log.bytes >= 2 * live as u64 {
                self.compact(&mut log)?;
            }
        }
        Ok(())
    }
}
