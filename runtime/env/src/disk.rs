//! Files with explicit durability. All calls are synchronous; run them through [`crate::Env::compute`] where they may
//! wait for a device.
//!
//! What is written is visible at once to later reads, survives the exit of the process, and survives a loss of power only
//! after [`File::sync`] (and, for a created, renamed or removed name, [`Disk::sync_directory`]).

use std::{io, path::PathBuf};

/// An open file.
pub trait File: Send {
    /// Reads up to `buffer.len()` bytes at the offset; 0 at the end.
    ///
    /// # Errors
    /// Those of the device.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all bytes at the end of the file.
    ///
    /// # Errors
    /// Those of the device; part of the bytes may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// Those of the device.
    fn len(&mut self) -> io::Result<u64>;

    /// Whether the file holds no byte.
    ///
    /// # Errors
    /// Those of the device.
    fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file to this length.
    ///
    /// # Errors
    /// Those of the device.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Returns when everything written so far survives a loss of power.
    ///
    /// # Errors
    /// Those of the device; afterwards the unsynced content is unknown.
    fn sync(&mut self) -> io::Result<()>;
}

/// A host's disk: paths are relative, with `/` between names.
pub trait Disk: Send + Sync + 'static {
    /// Where the disk lies in the operating system's file system, for engines that do their own IO. `None` in a
    /// simulation.
    fn root(&self) -> Option<PathBuf>;

    /// Opens a file for reading and appending, creating it and its folders where `create` is set.
    ///
    /// # Errors
    /// `NotFound` without `create`; those of the device.
    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn File>>;

    /// Replaces `to` by `from` atomically.
    ///
    /// # Errors
    /// `NotFound`; those of the device.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; a missing one is no error.
    ///
    /// # Errors
    /// Those of the device.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Names of the files in a folder, sorted; empty for a missing folder.
    ///
    /// # Errors
    /// Those of the device.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Returns when the names in this folder survive a loss of power.
    ///
    /// # Errors
    /// Those of the device.
    fn sync_directory(&self, folder: &str) -> io::Result<()>;
}
