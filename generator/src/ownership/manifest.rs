//! The record of what was written, kept beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Artifacts;
use crate::parallel::mapped;

/// Where the manifest stands in the out folder.
pub const MANIFEST_PATH: &str = "archgen-manifest.json";

/// Hashes of the files that we wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub version: u32,
    /// Path in the out folder to the BLAKE3 hash of what was written there, in hexadecimal.
    pub files: BTreeMap<String, String>,
}

impl Manifest {
    /// The manifest of a set of artifacts.
    pub fn of(artifacts: &Artifacts) -> Self {
        let all: Vec<(&String, &String)> = artifacts.files.iter().collect();
        let files = mapped(&all, |(path, text)| ((*path).clone(), content_hash(text.as_bytes())));
        Self { version: 1, files: files.into_iter().collect() }
    }

    /// Reads a manifest; `None` for text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|m: &Self| m.version == 1)
    }

    /// The text of [`MANIFEST_PATH`].
    pub fn text(&self) -> String {
        // A map from strings to strings always has a JSON form.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Hash of a file's bytes as the manifest holds it.
pub fn content_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
