//! `archgen logs`: what hosts logged, from their files, so that it also works after the fleet is gone.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    thread::sleep,
    time::Duration,
};

use crate::{
    arguments::LogsArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
    state::StateFolder,
    supervisor::plain_tail,
};

/// Time between looks for new lines.
const LOOK: Duration = Duration::from_millis(100);
/// What is read of one file at a look, bytes.
const READ_BYTES_MAX: u64 = 1 << 20;

/// Where reading one host's file has come to.
struct Place {
    path: PathBuf,
    inode: u64,
    offset: u64,
    rest: Vec<u8>,
}

/// Prints the last lines, and with `-f` those that follow.
pub fn run(arguments: &LogsArguments, printer: Printer) -> Outcome {
    let state = StateFolder::at(&arguments.state.folder)?;
    let mut hosts = hosts(&state);
    if let Some(wanted) = &arguments.host {
        if !hosts.contains(wanted) {
            let known = if hosts.is_empty() { "none yet".to_owned() } else { hosts.join(", ") };
            return Err(Failure::new(exit::USAGE, format!("there is no log of `{wanted}`; logs: {known}")));
        }
        hosts.retain(|h| h == wanted);
    }
    let width = hosts.iter().map(String::len).max().unwrap_or(0);
    let mut places = BTreeMap::new();
    let mut lines: Vec<(String, String)> = Vec::new();
    for host in hosts {
        let path = state.log(&host);
        let inode = fs::metadata(&path).map_or(0, |m| m.ino());
        let (tail, offset) = plain_tail(&path, arguments.lines as usize);
        lines.extend(tail.into_iter().map(|line| (host.clone(), line)));
        places.insert(host, Place { path, inode, offset, rest: Vec::new() });
    }
    // Lines begin with their time; the sort is stable, so that lines without one stay behind their host's line before.
    let (mut time, mut of) = (String::new(), String::new());
    let mut keyed: Vec<(String, (String, String))> = Vec::with_capacity(lines.len());
    for (host, line) in lines {
        if of != host {
            (time, of) = (String::new(), host.clone());
        }
        match line.split_once(' ') {
            Some((first, _)) if first.len() >= 20 && first.as_bytes()[0].is_ascii_digit() => time = first.to_owned(),
            _ => {}
        }
        keyed.push((time.clone(), (host, line)));
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, (host, line)) in keyed {
        printer.log(&host, width, &line);
    }
    if !arguments.follow {
        return Ok(exit::OK);
    }
    loop {
        for (host, place) in &mut places {
            place.follow(|line| printer.log(host, width, line));
        }
        sleep(LOOK);
    }
}

fn hosts(state: &StateFolder) -> Vec<String> {
    let mut hosts: Vec<String> = fs::read_dir(state.logs())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".log").map(str::to_owned))
        .collect();
    hosts.sort();
    hosts
}

impl Place {
    /// Hands over the lines that were added. A file that was put aside is begun anew.
    fn follow(&mut self, mut line: impl FnMut(&str)) {
        let Ok(mut file) = File::open(&self.path) else { return };
        let Ok(meta) = file.metadata() else { return };
        if meta.ino() != self.inode || meta.len() < self.offset {
            (self.inode, self.offset) = (meta.ino(), 0);
        }
        let mut bytes = Vec::new();
        let read =
            file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.take(READ_BYTES_MAX).read_to_end(&mut bytes));
        let Ok(count) = read else { return };
        self.offset += count as u64;
        self.rest.extend_from_slice(&bytes);
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let whole: Vec<u8> = self.rest.drain(..=end).collect();
            line(String::from_utf8_lossy(&whole[..end]).trim_end());
        }
    }
}
