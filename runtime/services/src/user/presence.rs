//! Presence of record: what realtime nodes report of their users, kept with a time to live.

use archgen_ports::cache::Cache;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{error::UserError, state::State};

/// Realtime nodes of one user that are looked at.
const NODES_MAX: usize = 32;
/// How long it is remembered when a user was last seen, milliseconds: 30 days.
const SEEN_TTL_MS: u64 = 30 * 86_400_000;
/// Longest time to live of a report, milliseconds.
const REPORT_TTL_MS_MAX: u64 = 600_000;

/// Whether a user is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Offline,
    Away,
    Online,
}

/// A user's presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Presence {
    pub user: String,
    pub status: Status,
    /// Wall time of the last report; `null` where there was none in 30 days.
    pub last_seen_ms: Option<u64>,
}

impl State {
    /// Records what a realtime node says of a user.
    pub async fn report_presence(&self, user: &str, status: Status, node: &str, ttl_ms: u64) -> Result<(), UserError> {
        let key = format!("presence:{user}:{node}");
        match status {
            Status::Offline => self.presence.delete(&key).await?,
            Status::Away | Status::Online => {
                let text: &'static [u8] = if status == Status::Online { b"online" } else { b"away" };
                self.presence.set(&key, Bytes::from_static(text), ttl_ms.clamp(1, REPORT_TTL_MS_MAX)).await?;
            }
        }
        let seen = Bytes::from(self.now_ms().to_string());
        Ok(self.presence.set(&format!("seen:{user}"), seen, SEEN_TTL_MS).await?)
    }

    /// A user's presence: the most present of the nodes' reports.
    pub async fn presence_of(&self, user: &str) -> Result<Presence, UserError> {
        let cache: &dyn Cache = &*self.presence;
        let mut status = Status::Offline;
        for key in cache.keys(&format!("presence:{user}:"), NODES_MAX).await? {
            status = status.max(match cache.get(&key).await?.as_deref() {
                Some(b"online") => Status::Online,
                Some(b"away") => Status::Away,
                _ => Status::Offline,
            });
        }
        let seen = cache.get(&format!("seen:{user}")).await?;
        let last_seen_ms = seen.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok());
        Ok(Presence { user: user.to_owned(), status, last_seen_ms })
    }
}
