//! Log files of hosts: appended line by line, bounded by one rotation.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Size at which a file is put aside as `<name>.1`, in place of the one put aside before; bytes.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// What `plain_tail` reads at most, bytes.
const TAIL_BYTES_MAX: u64 = 4 << 20;

/// One host's log.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    /// Opens the file at its end.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        if self.bytes >= FILE_BYTES_MAX {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            fs::rename(&self.path, aside)?;
            *self = Self::open(&self.path)?;
        }
        self.bytes += line.len() as u64 + 1;
        self.file.write_all(format!("{line}\n").as_bytes())
    }
}

/// The last whole lines of a file, at most so many, and the offset after them. Nothing where there is no such file.
pub fn plain_tail(path: &Path, lines_max: usize) -> (Vec<String>, u64) {
    let read = || -> io::Result<(Vec<String>, u64)> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        let begin = end.saturating_sub(TAIL_BYTES_MAX);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        file.take(end - begin).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let skip = lines.len().saturating_sub(lines_max);
        Ok((lines[skip..].iter().map(|l| (*l).to_owned()).collect(), end))
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_the_tail_is_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.log");
        let mut log = LogFile::open(&path).unwrap();
        log.line("first").unwrap();
        log.bytes = FILE_BYTES_MAX;
        log.line("second").unwrap();
        log.line("third").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("host.log.1")).unwrap(), "first\n");
        assert_eq!(plain_tail(&path, 1), (vec!["third".to_owned()], 13));
        assert_eq!(plain_tail(&folder.path().join("none"), 5), (Vec::new(), 0));
    }
}
