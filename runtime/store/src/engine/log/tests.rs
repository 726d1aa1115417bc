//! The log engine on a disk that loses power, tears, fills up and fails: what was acknowledged survives, batches are atomic.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use archgen_env::disk::{Disk, File};
use proptest::{collection::vec, prelude::*};

use super::{FILE, LogEngine, NEW_FILE};
use crate::engine::{Batch, Engine, EngineError};

/// Small, so that rewrites are common.
const COMPACT_BYTES: u64 = 300;

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// How the disk fails next.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The append that comes takes this many bytes and fails.
    Full(usize),
    /// The file sync that comes fails.
    Sync,
    /// The folder sync that comes fails.
    Name,
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Default)]
struct Inner {
    files: Vec<Content>,
    visible: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    fault: Option<Fault>,
}

/// A disk in memory that knows what was synced.
#[derive(Clone, Default)]
struct TestDisk(Arc<Mutex<Inner>>);

impl TestDisk {
    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps of each file's unsynced tail this share, in 255ths.
    fn lose_power(&self, kept: u8) {
        self.with(|inner| {
            inner.fault = None;
            inner.visible = inner.durable.clone();
            for content in &mut inner.files {
                if content.bytes.starts_with(&content.durable) {
                    let unsynced = content.bytes.len() - content.durable.len();
                    content.bytes.truncate(content.durable.len() + unsynced * kept as usize / 255);
                } else {
                    content.bytes = content.durable.clone();
                }
                content.durable = content.bytes.clone();
            }
        });
    }

    fn damage(&self, change: impl FnOnce(&mut Vec<u8>)) {
        self.with(|inner| {
            let file = inner.visible[FILE];
            change(&mut inner.files[file].bytes);
            inner.files[file].durable = inner.files[file].bytes.clone();
        });
    }

    fn bytes(&self) -> usize {
        self.with(|inner| inner.visible.get(FILE).map_or(0, |f| inner.files[*f].bytes.len()))
    }
}

struct TestFile(TestDisk, usize);

impl File for TestFile {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.with(|inner| {
            let rest = inner.files[self.1].bytes.get(offset as usize..).unwrap_or_default();
            // Short reads are allowed, so give some.
            let read = buffer.len().min(rest.len()).min(7);
            buffer[..read].copy_from_slice(&rest[..read]);
            Ok(read)
        })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.with(|inner| {
            if let Some(Fault::Full(left)) = inner.fault {
                inner.fault = None;
                inner.files[self.1].bytes.extend_from_slice(&bytes[..left.min(bytes.len())]);
                return Err(io::ErrorKind::StorageFull.into());
            }
            inner.files[self.1].bytes.extend_from_slice(bytes);
            Ok(())
        })
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.0.with(|inner| inner.files[self.1].bytes.len() as u64))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.with(|inner| inner.files[self.1].bytes.truncate(length as usize));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.with(|inner| {
            if matches!(inner.fault, Some(Fault::Sync)) {
                inner.fault = None;
                return Err(io::Error::other("the device failed"));
            }
            let content = &mut inner.files[self.1];
            content.durable = content.bytes.clone();
            Ok(())
        })
    }
}

impl Disk for TestDisk {
    fn root(&self) -> Option<PathBuf> {
        None
    }

    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn File>> {
        let file = self.with(|inner| match inner.visible.get(path) {
            Some(file) => Ok(*file),
            None if !create => Err(io::Error::from(io::ErrorKind::NotFound)),
            None => {
                inner.files.push(Content::default());
                inner.visible.insert(path.to_owned(), inner.files.len() - 1);
                Ok(inner.files.len() - 1)
            }
        })?;
        Ok(Box::new(TestFile(self.clone(), file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(|inner| {
            let file = inner.visible.remove(from).ok_or(io::ErrorKind::NotFound)?;
            inner.visible.insert(to.to_owned(), file);
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.with(|inner| inner.visible.remove(path));
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{folder}/");
        Ok(self.with(|inner| inner.visible.keys().filter_map(|p| p.strip_prefix(&prefix)).map(str::to_owned).collect()))
    }

    fn sync_directory(&self, _: &str) -> io::Result<()> {
        self.with(|inner| {
            if matches!(inner.fault, Some(Fault::Name)) {
                inner.fault = None;
                return Err(io::Error::other("the device failed"));
            }
            inner.durable = inner.visible.clone();
            Ok(())
        })
    }
}

fn open(disk: &TestDisk) -> LogEngine {
    LogEngine::open_with(Arc::new(disk.clone()), COMPACT_BYTES).expect("a disk without damage opens")
}

fn state(engine: &LogEngine) -> State {
    engine.scan(&[], &[0xff], usize::MAX, false).expect("a scan").into_iter().collect()
}

fn applied(state: &State, batch: &Batch) -> State {
    let mut state = state.clone();
    for (key, value) in batch {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
    state
}

fn one(key: &str, value: &str) -> Batch {
    Batch::from([(key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))])
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Batch, Option<Fault>),
    LosePower(u8),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pair = (0u8..12, prop::option::of(vec(any::<u8>(), 0..40)));
    let batch = vec(pair, 1..6).prop_map(|pairs| pairs.into_iter().map(|(k, v)| (vec![b'k', k], v)).collect::<Batch>());
    let fault = prop_oneof![
        6 => Just(None),
        1 => (0usize..120).prop_map(|n| Some(Fault::Full(n))),
        1 => Just(Some(Fault::Sync)),
        1 => Just(Some(Fault::Name)),
    ];
    let step = prop_oneof![
        12 => (batch, fault).prop_map(|(batch, fault)| Step::Commit(batch, fault)),
        2 => any::<u8>().prop_map(Step::LosePower),
        1 => Just(Step::Restart),
    ];
    vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_acknowledged_survives_and_every_batch_is_whole(steps in steps()) {
        let disk = TestDisk::default();
        let mut engine = open(&disk);
        let mut acknowledged = State::new();
        // A batch whose commit failed: it may be found after a crash, whole, until another commit succeeds.
        let mut doubtful: Option<Batch> = None;
        for step in steps {
            match step {
                Step::Commit(batch, fault) => {
                    if fault.is_some() {
                        disk.with(|inner| inner.fault = fault);
                    }
                    if engine.commit(batch.clone(), true).is_ok() {
                        acknowledged = applied(&acknowledged, &batch);
                        doubtful = None;
                    } else {
                        doubtful = Some(batch);
                    }
                    prop_assert_eq!(state(&engine), acknowledged.clone(), "readers see what is durable, no more");
                }
                crash => {
                    drop(engine);
                    match crash {
                        Step::LosePower(kept) => disk.lose_power(kept),
                        _ => disk.with(|inner| inner.fault = None),
                    }
                    engine = open(&disk);
                    let found = state(&engine);
                    let with_doubtful = doubtful.take().map(|batch| applied(&acknowledged, &batch));
                    prop_assert!(
                        found == acknowledged || Some(&found) == with_doubtful.as_ref(),
                        "found {:?}, acknowledged {:?}", found, acknowledged
                    );
                    acknowledged = found;
                }
            }
        }
    }

    #[test]
    fn scans_are_those_of_an_ordered_map(
        keys in vec(vec(any::<u8>(), 0..3), 0..30), from in vec(any::<u8>(), 0..3), to in vec(any::<u8>(), 0..3),
        limit in 0usize..10, reverse in any::<bool>(),
    ) {
        let engine = open(&TestDisk::default());
        let batch: Batch = keys.iter().map(|k| (k.clone(), Some(k.clone()))).collect();
        engine.commit(batch.clone(), true).expect("a commit");
        let mut expected: Vec<_> = batch.into_keys().filter(|k| *k >= from && *k < to).collect();
        if reverse {
            expected.reverse();
        }
        expected.truncate(limit);
        let found = engine.scan(&from, &to, limit, reverse).expect("a scan");
        prop_assert_eq!(found.into_iter().map(|(k, _)| k).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn any_flipped_bit_is_refused_with_its_place_or_is_in_no_record(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let disk = TestDisk::default();
        let engine = open(&disk);
        for n in 0..5 {
            engine.commit(one(&format!("key {n}"), "value"), true).expect("a commit");
        }
        drop(engine);
        disk.damage(|bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        });
        match LogEngine::open(Arc::new(disk)) {
            Err(EngineError::Corrupt { file, offset, .. }) => {
                prop_assert_eq!(file, FILE);
                prop_assert!(offset.is_some());
            }
            Err(other) => prop_assert!(false, "another error: {}", other),
            Ok(_) => prop_assert!(false, "a damaged log was opened"),
        }
    }
}

#[test]
fn a_long_dead_log_is_rewritten_and_a_failed_rewrite_costs_nothing() {
    let disk = TestDisk::default();
    let engine = open(&disk);
    for n in 0..200 {
        // Where the log is rewritten now, its new name may not survive: the next commit must see to that first.
        disk.with(|inner| inner.fault = (n % 3 == 0).then_some(Fault::Name));
        let batch = one("the same key", &n.to_string());
        if engine.commit(batch.clone(), true).is_err() {
            engine.commit(batch, true).expect("the next try is durable");
        }
        assert_eq!(engine.get(b"the same key").expect("a read"), Some(n.to_string().into_bytes()));
    }
    assert!(disk.bytes() < 3 * COMPACT_BYTES as usize, "{} bytes", disk.bytes());
    assert!(disk.with(|inner| !inner.visible.contains_key(NEW_FILE)));
}

#[test]
fn a_batch_that_could_not_be_read_back_is_not_written() {
    let disk = TestDisk::default();
    let engine = open(&disk);
    let huge = Batch::from([(b"k".to_vec(), Some(vec![0u8; super::RECORD_BYTES_MAX + 1]))]);
    assert!(engine.commit(huge, true).is_err());
    engine.commit(one("a", "b"), true).expect("the next one is written");
    drop(engine);
    assert_eq!(state(&open(&disk)).len(), 1);
}
