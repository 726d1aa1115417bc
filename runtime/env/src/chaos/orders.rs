//! What a fleet of real processes is to suffer, as a file says it: whoever orders writes it, and every process reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use serde::{Deserialize, Serialize};

/// Every fault that is to be there now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Orders {
    /// Links by sender and receiver.
    pub links: BTreeMap<String, BTreeMap<String, LinkFault>>,
    /// Wrong clocks by host.
    pub clocks: BTreeMap<String, ClockFault>,
    /// Hosts whose process may not begin to serve.
    pub down: BTreeSet<String>,
}

/// What is wrong with one direction of a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkFault {
    /// Cuts that lie on it; while there is one, nothing passes.
    pub cuts: u32,
    /// Added to the latency, milliseconds.
    pub extra_ms: u64,
    /// Of a thousand pieces, so many are lost and sent again.
    pub lost_per_thousand: u64,
    /// Bytes a second; 0 for no bound.
    pub bytes_per_second: u64,
    /// New connections are refused.
    pub refused: bool,
    /// How often every connection was reset so far.
    pub resets: u64,
}

/// How wrong a wall clock is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockFault {
    /// Offset, milliseconds.
    pub offset_ms: i64,
    /// Gained a second, milliseconds.
    pub ms_per_second: i64,
    /// Since this true time, milliseconds since the Unix epoch.
    pub since_ms: u64,
}

impl ClockFault {
    /// The offset at this true time, milliseconds.
    pub fn off_by(&self, now_ms: u64) -> i64 {
        let gained = now_ms.saturating_sub(self.since_ms) as i64 * self.ms_per_second / 1_000;
        self.offset_ms.saturating_add(gained)
    }
}

impl Orders {
    /// The state of one direction of a link.
    pub fn link(&self, from: &str, to: &str) -> LinkFault {
        self.links.get(from).and_then(|links| links.get(to)).copied().unwrap_or_default()
    }

    /// The same, to be changed.
    pub fn link_mut(&mut self, from: &str, to: &str) -> &mut LinkFault {
        self.links.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default()
    }

    /// Whether anything passes from one to the other.
    pub fn passes(&self, from: &str, to: &str) -> bool {
        self.link(from, to).cuts == 0
    }

    /// Reads a file of orders; none where it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn read(file: &Path) -> io::Result<Self> {
        match fs::read(file) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes them, at once for whoever reads.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let beside = file.with_extension("new");
        fs::write(&beside, serde_json::to_vec(self)?)?;
        fs::rename(beside, file)
    }
}
