//! What this service asks of messaging: members of a channel, kind of a channel, an entry of its log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use archgen_env::http::Reply;
use http::{Method, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::error::NotificationError;
use crate::host::Peers;

/// Channels whose kind is remembered. A channel's kind never changes.
const KINDS_MAX: usize = 50_000;
/// Kinds of channels all of whose members are due.
const DIRECT_KINDS: [&str; 2] = ["dm", "group_dm"];

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Member {
    user: String,
}

#[derive(Deserialize)]
struct Channel {
    id: String,
    kind: String,
}

/// The peer.
pub(super) struct Messaging {
    peers: Peers,
    kinds: Mutex<BTreeMap<String, String>>,
}

/// The items of an answer; none where there is no such thing.
fn items<T: DeserializeOwned>(reply: &Reply) -> Result<Vec<T>, NotificationError> {
    match reply.status {
        StatusCode::OK => Ok(reply.json::<Items<T>>()?.items),
        StatusCode::NOT_FOUND => Ok(Vec::new()),
        status => Err(NotificationError::Status(status.as_u16())),
    }
}

impl Messaging {
    pub fn new(peers: Peers) -> Self {
        Self { peers, kinds: Mutex::default() }
    }

    /// Members of a channel now; none where it is gone.
    pub async fn members(&self, channel: &str) -> Result<BTreeSet<String>, NotificationError> {
        let path = format!("/internal/channels/{channel}/members");
        let reply = self.peers.call(Method::GET, &path, &Value::Null).await?;
        Ok(items::<Member>(&reply)?.into_iter().map(|member| member.user).collect())
    }

    /// Whether the channel is a direct message among few. `among` are users who may be in it: the kind is read from their lists.
    pub async fn is_direct(&self, channel: &str, among: &[&str]) -> Result<bool, NotificationError> {
        let known =
            |kinds: &BTreeMap<String, String>| kinds.get(channel).map(|kind| DIRECT_KINDS.contains(&kind.as_str()));
        for user in among {
            if let Some(direct) = known(&self.kinds.lock().unwrap_or_else(PoisonError::into_inner)) {
                return Ok(direct);
            }
            let path = format!("/internal/users/{user}/channels");
            let listed = items::<Channel>(&self.peers.call(Method::GET, &path, &Value::Null).await?)?;
            let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            for channel in listed {
                if kinds.len() >= KINDS_MAX {
                    kinds.pop_first();
                }
                kinds.insert(channel.id, channel.kind);
            }
        }
        Ok(known(&self.kinds.lock().unwrap_or_else(PoisonError::into_inner)).unwrap_or(false))
    }

    /// Whether the user is a member of the channel now.
    pub async fn is_member(&self, user: &str, channel: &str) -> Result<bool, NotificationError> {
        #[derive(Deserialize)]
        struct Access {
            member: bool,
        }
        let ask = json!({"user": user, "channel": channel});
        let reply = self.peers.call(Method::POST, "/internal/access", &ask).await?;
        match reply.status {
            StatusCode::OK => Ok(reply.json::<Access>()?.member),
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(false),
            status => Err(NotificationError::Status(status.as_u16())),
        }
    }

    /// The kind of the channel's entry at this place; `None` where there is none.
    pub async fn entry_kind(&self, channel: &str, seq: u64) -> Result<Option<String>, NotificationError> {
        #[derive(Deserialize)]
        struct Entry {
            seq: u64,
            #[serde(rename = "type")]
            kind: String,
        }
        let ask = json!({"channel": channel, "after_seq": seq - 1, "limit": 1});
        let entries = items::<Entry>(&self.peers.call(Method::POST, "/internal/log", &ask).await?)?;
        Ok(entries.into_iter().find(|entry| entry.seq == seq).map(|entry| entry.kind))
    }
}
