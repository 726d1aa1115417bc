//! Where a host's lines go: its log file, the terminal of a foreground fleet, and a short memory of the last ones.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::log_file::LogFile;
use crate::{
    printer::{Printer, plain},
    state::StateFolder,
};

/// Longest line kept whole; a longer one is cut into several. Bytes.
const LINE_BYTES_MAX: usize = 16 << 10;
/// Last lines kept for the account of a failure.
const LAST_LINES_MAX: usize = 12;

/// How lines are shown on the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// The terminal.
    pub printer: Printer,
    /// Width of the column of names.
    pub width: usize,
}

/// The lines of one host. Cloning shares it.
#[derive(Clone)]
pub struct Output {
    host: String,
    shown: Option<Shown>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    file: LogFile,
    last: VecDeque<String>,
    broken: bool,
}

impl Output {
    /// The output of a host.
    ///
    /// # Errors
    /// Its log file cannot be opened.
    pub fn open(state: &StateFolder, host: &str, shown: Option<Shown>) -> io::Result<Self> {
        let file = LogFile::open(&state.log(host))?;
        let inner = Arc::new(Mutex::new(Inner { file, last: VecDeque::new(), broken: false }));
        Ok(Self { host: host.to_owned(), shown, inner })
    }

    /// Takes one line.
    pub fn line(&self, line: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let clean = plain(line);
        if let Err(error) = inner.file.line(&clean)
            && !std::mem::replace(&mut inner.broken, true)
        {
            // Said once: a full disk must not stop the fleet.
            Printer::new().warning(&format!("cannot write the log of {}: {error}", self.host));
        }
        if inner.last.len() == LAST_LINES_MAX {
            inner.last.pop_front();
        }
        inner.last.push_back(clean);
        if let Some(shown) = self.shown {
            shown.printer.log(&self.host, shown.width, line);
        }
    }

    /// The last lines, oldest first.
    pub fn last_lines(&self) -> Vec<String> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last.iter().cloned().collect()
    }

    /// Forgets the last lines: a new run begins.
    pub fn begin_run(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last.clear();
    }

    /// Takes lines from a stream until its end.
    pub async fn pump(self, stream: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(stream);
        let mut line: Vec<u8> = Vec::new();
        while let Ok(buffer) = reader.fill_buf().await {
            if buffer.is_empty() {
                break;
            }
            let room = LINE_BYTES_MAX - line.len();
            let part = &buffer[..buffer.len().min(room)];
            let (taken, whole) = match part.iter().position(|b| *b == b'\n') {
                Some(end) => (end + 1, true),
                None => (part.len(), part.len() == room),
            };
            line.extend_from_slice(&part[..taken]);
            reader.consume(taken);
            if whole {
                self.take(&mut line);
            }
        }
        if !line.is_empty() {
            self.take(&mut line);
        }
    }

    fn take(&self, bytes: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(bytes);
        self.line(text.trim_end_matches(['\n', '\r']));
        bytes.clear();
    }
}

/// Sends the log lines of hosts that are tasks of this process to each one's output.
#[derive(Clone)]
pub struct Routes {
    outputs: Arc<BTreeMap<String, Output>>,
}

impl Routes {
    /// Routes to these outputs, by host.
    pub fn new(outputs: BTreeMap<String, Output>) -> Self {
        Self { outputs: Arc::new(outputs) }
    }

    /// The output of the host that a line's span names: `host="user-1"`.
    fn of(&self, line: &str) -> Option<&Output> {
        let (name, _) = line.rsplit_once("host=\"")?.1.split_once('"')?;
        self.outputs.get(name)
    }
}

impl io::Write for Routes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines() {
            match self.of(line) {
                Some(output) => output.line(line),
                None => Printer::new().note(line),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded_and_the_last_one_needs_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::at(folder.path()).unwrap();
        state.create().unwrap();
        let output = Output::open(&state, "a", None).unwrap();
        let long = "x".repeat(LINE_BYTES_MAX + 3);
        output.clone().pump(format!("one\r\n{long}\nlast").as_bytes()).await;
        let lines = output.last_lines();
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [3, LINE_BYTES_MAX, 3, 4]);
    }
}
