//! A disk in memory that remembers what was synced, and may be full. The exit of a process loses nothing; a loss of power loses every byte that
//! was not synced, or all but a random prefix of them (a torn write), and every name whose folder was not synced.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use archgen_env::{
    disk::{Disk, File},
    entropy::Entropy,
};

/// One file's content, shared by all its names and handles. What survives a loss of power is the first `synced` bytes and then
/// `tail`.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// Bytes from the start that are the same as at the last sync.
    synced: usize,
    /// What came after them then, where the file was made shorter since.
    tail: Vec<u8>,
}

impl Content {
    fn sync(&mut self) {
        self.synced = self.bytes.len();
        self.tail.clear();
    }

    fn truncate(&mut self, length: usize) {
        if length < self.synced {
            // The front of what survives after the cut is what was cut off.
            self.tail.splice(0..0, self.bytes[length..self.synced].iter().copied());
            self.synced = length;
        }
        self.bytes.truncate(length);
    }

    /// Falls back to what was synced; `torn` says how many of this many unsynced bytes reached the device all the same.
    fn lose_power(&mut self, torn: impl FnOnce(usize) -> usize) {
        let unsynced = self.bytes.len() - self.synced;
        let kept = if self.tail.is_empty() && unsynced > 0 { torn(unsynced) } else { 0 };
        self.bytes.truncate(self.synced + kept);
        let tail = std::mem::take(&mut self.tail);
        self.bytes.extend_from_slice(&tail);
        self.synced = self.bytes.len();
    }
}

type Shared = Arc<Mutex<Content>>;

#[derive(Default)]
struct Names {
    visible: BTreeMap<String, Shared>,
    durable: BTreeMap<String, Shared>,
}

/// A simulated disk. It belongs to the machine, not to the process, and outlives restarts.
#[derive(Default)]
pub struct SimulatedDisk(Mutex<Names>, Arc<AtomicBool>);

impl SimulatedDisk {
    /// Power is lost: what was not synced is gone, but for a prefix of each file's unsynced tail of random length.
    pub fn lose_power(&self, entropy: &Entropy) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.visible = names.durable.clone();
        for content in names.visible.values() {
            lock(content).lose_power(|unsynced| entropy.below(unsynced as u64 + 1) as usize);
        }
    }

    /// The disk is lost, and an empty one in its place.
    pub fn lose_all(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Names::default();
    }

    /// One byte that is synced, of one file, becomes another.
    pub fn corrupt(&self, entropy: &Entropy) {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held: Vec<&Shared> = names.visible.values().filter(|file| lock(file).synced > 0).collect();
        let Some(file) = held.get(entropy.below(held.len() as u64) as usize) else { return };
        let mut content = lock(file);
        let at = entropy.below(content.synced as u64) as usize;
        content.bytes[at] ^= 1 << entropy.below(8);
    }

    /// Whether nothing more can be written.
    pub fn set_full(&self, full: bool) {
        self.1.store(full, Ordering::Relaxed);
    }

    fn open_file(&self, content: &Shared) -> Box<dyn File> {
        Box::new(OpenFile { content: content.clone(), full: self.1.clone() })
    }

    fn folder(path: &str) -> &str {
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

fn lock(content: &Shared) -> MutexGuard<'_, Content> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

struct OpenFile {
    content: Shared,
    full: Arc<AtomicBool>,
}

impl OpenFile {
    fn content(&self) -> MutexGuard<'_, Content> {
        lock(&self.content)
    }
}

impl File for OpenFile {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.content();
        let from = content.bytes.len().min(offset as usize);
        let read = buffer.len().min(content.bytes.len() - from);
        buffer[..read].copy_from_slice(&content.bytes[from..from + read]);
        Ok(read)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.content().bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.content().bytes.len() as u64)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.content().truncate(length as usize);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.content().sync();
        Ok(())
    }
}

impl Disk for SimulatedDisk {
    fn root(&self) -> Option<PathBuf> {
        None
    }

    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn File>> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = names.visible.get(path) {
            return Ok(self.open_file(content));
        }
        if !create {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content = Shared::default();
        names.visible.insert(path.to_owned(), content.clone());
        Ok(self.open_file(&content))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let content = names.visible.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.visible.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).visible.remove(path);
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inside = names.visible.keys().filter(|path| Self::folder(path) == folder);
        Ok(inside.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect())
    }

    fn sync_directory(&self, folder: &str) -> io::Result<()> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Names { visible, durable } = &mut *names;
        durable.retain(|path, _| Self::folder(path) != folder);
        durable.extend(
            visible.iter().filter(|(path, _)| Self::folder(path) == folder).map(|(p, c)| (p.clone(), c.clone())),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(disk: &SimulatedDisk, path: &str) -> Vec<u8> {
        let mut file = disk.open(path, false).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn power_loss_keeps_what_was_synced_and_at_most_a_prefix_of_the_rest() {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..64u8 {
            let disk = SimulatedDisk::default();
            let mut file = disk.open("d/log", true).unwrap();
            file.append(b"synced").unwrap();
            file.sync().unwrap();
            disk.sync_directory("d").unwrap();
            file.append(b"lost?").unwrap();
            disk.lose_power(&Entropy::new([seed; 32]));
            let left = content(&disk, "d/log");
            assert!(b"syncedlost?".starts_with(&left[..]) && left.starts_with(b"synced"), "{left:?}");
            lengths.insert(left.len());
        }
        assert!(lengths.len() > 3, "torn writes of several lengths: {lengths:?}");
    }

    #[test]
    fn a_name_whose_folder_was_not_synced_is_lost() {
        let disk = SimulatedDisk::default();
        let mut file = disk.open("d/new", true).unwrap();
        file.append(b"x").unwrap();
        file.sync().unwrap();
        disk.lose_power(&Entropy::new([1; 32]));
        assert!(disk.open("d/new", false).is_err());
    }

    #[test]
    fn a_full_disk_takes_nothing_until_there_is_room() {
        let disk = SimulatedDisk::default();
        let mut file = disk.open("log", true).unwrap();
        disk.set_full(true);
        assert_eq!(file.append(b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.set_full(false);
        file.append(b"y").unwrap();
        assert_eq!(content(&disk, "log"), b"y");
    }

    #[test]
    fn a_cut_that_was_not_synced_is_undone_by_a_loss_of_power() {
        let disk = SimulatedDisk::default();
        let mut file = disk.open("log", true).unwrap();
        file.append(b"abcdef").unwrap();
        file.sync().unwrap();
        disk.sync_directory("").unwrap();
        file.truncate(4).unwrap();
        file.truncate(2).unwrap();
        file.append(b"xy").unwrap();
        assert_eq!(content(&disk, "log"), b"abxy");
        disk.lose_power(&Entropy::new([1; 32]));
        assert_eq!(content(&disk, "log"), b"abcdef");
        let mut file = disk.open("log", false).unwrap();
        file.truncate(2).unwrap();
        file.sync().unwrap();
        disk.lose_power(&Entropy::new([1; 32]));
        assert_eq!(content(&disk, "log"), b"ab");
    }

    #[test]
    fn an_unsynced_rename_falls_back_to_the_old_file() {
        let disk = SimulatedDisk::default();
        for (path, bytes) in [("a", b"old"), ("b", b"new")] {
            let mut file = disk.open(path, true).unwrap();
            file.append(bytes).unwrap();
            file.sync().unwrap();
        }
        disk.sync_directory("").unwrap();
        disk.rename("b", "a").unwrap();
        assert_eq!(content(&disk, "a"), b"new");
        disk.lose_power(&Entropy::new([1; 32]));
        assert_eq!(content(&disk, "a"), b"old");
    }
}
