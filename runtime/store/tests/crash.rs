//! The deterministic engine against a model, through crashes: what was committed with a sync is there, a batch is there whole or
//! not at all, and nothing else ever appears.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use archgen_env::disk::{Disk, File};
use archgen_store::engine::{Batch, Engine, LogEngine};
use proptest::prelude::*;

/// Written bytes, and how many of them are synced.
#[derive(Clone, Default)]
struct Content(Arc<Mutex<(Vec<u8>, usize)>>);

impl File for Content {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.0.lock().unwrap();
        let from = content.0.len().min(offset as usize);
        let read = buffer.len().min(content.0.len() - from);
        buffer[..read].copy_from_slice(&content.0[from..from + read]);
        Ok(read)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().0.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().0.len() as u64)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().0.truncate(length as usize);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut content = self.0.lock().unwrap();
        content.1 = content.0.len();
        Ok(())
    }
}

/// A disk that can lose power: each file keeps its synced part and as much of the rest as is asked for.
#[derive(Default)]
struct Fragile(Mutex<BTreeMap<String, Content>>);

impl Fragile {
    fn lose_power(&self, kept: f64) {
        for content in self.0.lock().unwrap().values() {
            let mut content = content.0.lock().unwrap();
            let (length, synced) = (content.0.len(), content.1.min(content.0.len()));
            let torn = synced + ((length - synced) as f64 * kept) as usize;
            content.0.truncate(torn);
            content.1 = torn;
        }
    }
}

impl Disk for Fragile {
    fn root(&self) -> Option<PathBuf> {
        None
    }

    fn open(&self, path: &str, _create: bool) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.0.lock().unwrap().entry(path.to_owned()).or_default().clone()))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.0.lock().unwrap();
        let content = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.lock().unwrap().remove(path);
        Ok(())
    }

    fn list(&self, _folder: &str) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }

    fn sync_directory(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Writes or deletes these keys in one batch, synced or not.
    Commit(Vec<(u8, Option<u8>)>, bool),
    /// Power goes; this share of what was not synced survives; the engine opens again.
    Crash(f64),
}

fn step() -> impl Strategy<Value = Step> {
    let batch = prop::collection::vec((0u8..12, prop::option::of(any::<u8>())), 1..6);
    prop_oneof![4 => (batch, any::<bool>()).prop_map(|(b, s)| Step::Commit(b, s)), 1 => (0.0..=1.0).prop_map(Step::Crash)]
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn apply(map: &mut Map, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

fn content(engine: &LogEngine) -> Map {
    engine.scan(&[0], &[255], usize::MAX, false).unwrap().into_iter().collect()
}

proptest! {
    #[test]
    fn a_crash_loses_whole_unsynced_batches_from_the_end_and_nothing_else(steps in prop::collection::vec(step(), 1..60)) {
        let disk = Arc::new(Fragile::default());
        let mut engine = LogEngine::open(disk.clone()).unwrap();
        // States that may be found after a crash: the last synced one, then one more for each batch since.
        let mut possible: Vec<Map> = vec![Map::new()];
        for step in steps {
            match step {
                Step::Commit(writes, sync) => {
                    let batch: Batch = writes.into_iter().map(|(k, v)| (vec![k + 1], v.map(|v| vec![v]))).collect();
                    let mut next = possible.last().unwrap().clone();
                    apply(&mut next, &batch);
                    engine.commit(batch, sync).unwrap();
                    prop_assert_eq!(content(&engine), next.clone());
                    if sync {
                        possible.clear();
                    }
                    possible.push(next);
                }
                Step::Crash(kept) => {
                    drop(engine);
                    disk.lose_power(kept);
                    engine = LogEngine::open(disk.clone()).unwrap();
                    let found = content(&engine);
                    prop_assert!(possible.contains(&found), "{found:?} is none of {possible:?}");
                    possible = vec![found];
                }
            }
        }
    }
}
