//! What search asks of other services: a user's channels, handles to ids, an entry of a channel's log.

use archgen_env::http::Reply;
use http::{Method, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{document::Message, error::SearchError};
use crate::host::Peers;

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
}

/// A channel that a user is in.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Channel {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
}

/// A message as its channel's log has it.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub message: Message,
    pub epoch: u64,
    pub seq: u64,
    pub deleted: bool,
}

fn items<T: DeserializeOwned>(peers: &Peers, reply: &Reply) -> Result<Vec<T>, SearchError> {
    match reply.status {
        StatusCode::OK => Ok(reply.json::<Items<T>>()?.items),
        status => Err(SearchError::Status(peers.service().to_owned(), status.as_u16())),
    }
}

/// The channels that the user is in now.
pub(super) async fn channels_of(messaging: &Peers, user: &str) -> Result<Vec<Channel>, SearchError> {
    let path = format!("/internal/users/{user}/channels");
    items(messaging, &messaging.call(Method::GET, &path, &Value::Null).await?)
}

/// The ids of the users of these handles or ids; unknown ones are left out.
pub(super) async fn users_of(user: &Peers, named: &[String]) -> Result<Vec<String>, SearchError> {
    #[derive(Deserialize)]
    struct User {
        id: String,
    }
    let ask = json!({"ids": named, "handles": named});
    let reply = user.call(Method::POST, "/internal/users/lookup", &ask).await?;
    Ok(items::<User>(user, &reply)?.into_iter().map(|user| user.id).collect())
}

/// The message at this place of a channel's log; `None` where another entry, or nothing, stands there.
pub(super) async fn logged(messaging: &Peers, channel: &str, seq: u64) -> Result<Option<Logged>, SearchError> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        epoch: u64,
        seq: u64,
        #[serde(rename = "type")]
        kind: String,
        id: String,
        author: String,
        ts: u64,
        #[serde(default)]
        data: Value,
    }
    let ask = json!({"channel": channel, "after_seq": seq.saturating_sub(1), "limit": 1});
    let reply = messaging.call(Method::POST, "/internal/log", &ask).await?;
    let entries = items::<Entry>(messaging, &reply)?;
    let entry = entries.into_iter().find(|entry| entry.seq == seq && entry.kind == "message.created");
    Ok(entry.map(|entry| Logged {
        message: Message {
            id: entry.id,
            channel: channel.to_owned(),
            author: entry.author,
            ts: entry.ts,
            body: entry.data["body"].as_str().unwrap_or_default().to_owned(),
            thread: entry.data["thread"].clone(),
            files: entry.data["files"].as_array().cloned().unwrap_or_default(),
        },
        epoch: entry.epoch,
        seq: entry.seq,
        deleted: entry.data["deleted"] == true,
    }))
}
