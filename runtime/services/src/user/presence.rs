//! Presence of record: what realtime nodes report of their users, kept with a time to live.

use std::collections::BTreeMap;

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

/// What a realtime node says of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    pub user: String,
    /// The most present of the devices.
    pub status: Status,
    /// Each device by the name that its client gave it.
    #[serde(default)]
    pub devices: BTreeMap<String, Status>,
}

/// A user's presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Presence {
    pub user: String,
    pub status: Status,
    /// Each connected device that has a name.
    pub devices: BTreeMap<String, Status>,
    /// Wall time of the last report; `null` where there was none in 30 days.
    pub last_seen_ms: Option<u64>,
}

impl State {
    /// Records what a realtime node says of a user.
    pub async fn report_presence(&self, report: &Report, node: &str, ttl_ms: u64) -> Result<(), UserError> {
        let key = format!("presence:{}#{node}", report.user);
        match report.status {
            Status::Offline => self.presence.delete(&key).await?,
            Status::Away | Status::Online => {
                let value = serde_json::to_vec(report).map_err(|_| UserError::Invalid("a report that is no JSON"))?;
                self.presence.set(&key, value.into(), ttl_ms.clamp(1, REPORT_TTL_MS_MAX)).await?;
            }
        }
        let seen = Bytes::from(self.now_ms().to_string());
        Ok(self.presence.set(&format!("seen:{}", report.user), seen, SEEN_TTL_MS).await?)
    }

    /// A user's presence: the most present of the nodes' reports.
    pub async fn presence_of(&self, user: &str) -> Result<Presence, UserError> {
        let cache: &dyn Cache = &*self.presence;
        let (mut status, mut devices) = (Status::Offline, BTreeMap::new());
        for key in cache.keys(&format!("presence:{user}#"), NODES_MAX).await? {
            let Some(value) = cache.get(&key).await? else { continue };
            let Ok(report) = serde_json::from_slice::<Report>(&value) else { continue };
            status = status.max(report.status);
            for (device, its) in report.devices {
                let known = devices.entry(device).or_insert(its);
                *known = its.max(*known);
            }
        }
        let seen = cache.get(&format!("seen:{user}")).await?;
        let last_seen_ms = seen.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok());
        Ok(Presence { user: user.to_owned(), status, devices, last_seen_ms })
    }
}
