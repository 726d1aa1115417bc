//! A file's metadata as stored, and as clients see it.

use archgen_ports::{accounts::Row, documents::Put};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{error::FileError, state::State};

/// Collection of the metadata.
pub(super) const FILES: &str = "files";

/// Where a file stands. The states `…_untold` are those whose event is not known to be published: the field is indexed, so a
/// sweep finds them after any crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Pending,
    ReadyUntold,
    Ready,
    DeletedUntold,
    Deleted,
}

impl Stage {
    /// As stored, for lookups.
    pub(super) fn stored(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::ReadyUntold => "ready_untold",
            Self::Ready => "ready",
            Self::DeletedUntold => "deleted_untold",
            Self::Deleted => "deleted",
        }
    }

    /// As clients see it.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::ReadyUntold | Self::Ready => "ready",
            Self::DeletedUntold | Self::Deleted => "deleted",
        }
    }

    pub(super) fn is_ready(self) -> bool {
        matches!(self, Self::ReadyUntold | Self::Ready)
    }

    pub(super) fn is_deleted(self) -> bool {
        matches!(self, Self::DeletedUntold | Self::Deleted)
    }
}

/// A file's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    pub owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    pub state: Stage,
    pub name: String,
    pub size: u64,
    /// What the client says it is, until the bytes have been looked at.
    pub media_type: String,
    /// Announced, then measured; lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Name of the object that holds the bytes.
    pub object: String,
    pub created_ms: u64,
    pub changed_ms: u64,
}

/// A stored document with its place.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub id: String,
    pub version: u64,
    pub document: Document,
}

impl Stored {
    pub(super) fn from_row(row: Row) -> Result<Self, FileError> {
        Ok(Self { id: row.key, version: row.version, document: serde_json::from_value(row.value)? })
    }

    /// The file as clients see it.
    pub(super) fn json(&self) -> Value {
        let d = &self.document;
        json!({
            "id": self.id, "owner": d.owner, "channel": d.channel, "name": d.name, "size": d.size,
            "media_type": d.media_type, "sha256": d.sha256, "state": d.state.shown(), "created_ms": d.created_ms,
        })
    }
}

impl State {
    /// The stored document of a file.
    pub(super) async fn load(&self, id: &str) -> Result<Option<Stored>, FileError> {
        self.config.documents.get(FILES, id).await?.map(Stored::from_row).transpose()
    }

    /// Writes a document over the version that was read; `None` where another write came first.
    pub(super) async fn save(&self, stored: &Stored, document: Document) -> Result<Option<Stored>, FileError> {
        let expect = archgen_ports::accounts::Expect::Version(stored.version);
        let value = serde_json::to_value(&document)?;
        Ok(match self.config.documents.put(FILES, &stored.id, expect, Some(value)).await? {
            Put::Applied(version) => Some(Stored { id: stored.id.clone(), version, document }),
            Put::Conflict => None,
        })
    }
}
