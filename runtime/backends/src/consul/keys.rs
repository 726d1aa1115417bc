//! The keys port over Consul's key-value store and sessions.

use archgen_ports::{
    StoreError,
    accounts::Expect,
    keys::{KeyValue, Keys},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConsulRegistry, backend::failure, wire::segment};
use crate::{Failure, Guard};

/// Lives of sessions that Consul does, milliseconds.
const SESSION_MS: std::ops::RangeInclusive<u64> = 10_000..=86_400_000;
/// How long a lock whose session ended stays taken: for calls of its holder that are still under way.
const LOCK_DELAY: &str = "1s";

/// Keys and sessions behind the agents of a registry.
pub(super) struct ConsulKeys {
    agents: ConsulRegistry,
    guard: Guard,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stored {
    modify_index: u64,
    value: Option<String>,
    session: Option<String>,
}

/// A key as a path: its slashes part folders and stay.
fn path(key: &str) -> String {
    key.split('/').map(segment).collect::<Vec<_>>().join("/")
}

impl ConsulKeys {
    pub(super) fn new(agents: ConsulRegistry, guard: Guard) -> Self {
        Self { agents, guard }
    }

    /// A change that is answered by whether its condition held.
    async fn change(&self, method: Method, path: String, body: Bytes) -> Result<bool, StoreError> {
        let call = async {
            let reply = self.agents.call(method, &path, body, 0).await.map_err(failure)?;
            match reply.json::<bool>() {
                Ok(held) if reply.status.is_success() => Ok(held),
                _ => Err(refused(reply.status, &reply.body)),
            }
        };
        self.guard.write(call).await
    }
}

fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let said: String = String::from_utf8_lossy(body).trim().chars().take(200).collect();
    // A server without a leader may have passed the change on before it lost it.
    if status.is_server_error() && !said.contains("invalid session") {
        return Failure::Lost(format!("Consul answers {}: {said}", status.as_u16()));
    }
    Failure::Refused(format!("Consul answers {}: {said}", status.as_u16()))
}

fn condition(expect: Expect) -> String {
    match expect {
        Expect::Any => String::new(),
        Expect::Absent => "?cas=0".to_owned(),
        Expect::Version(version) => format!("?cas={version}"),
    }
}

#[async_trait]
impl Keys for ConsulKeys {
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        let path = format!("/v1/kv/{}?consistent=", path(key));
        let ask = || async {
            let reply = self.agents.call(Method::GET, &path, Bytes::new(), 0).await.map_err(failure)?;
            if reply.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            if !reply.status.is_success() {
                return Err(refused(reply.status, &reply.body));
            }
            let unreadable = |why: String| Failure::Refused(format!("key `{key}`: {why}"));
            let found: Vec<Stored> = reply.json().map_err(|error| unreadable(error.to_string()))?;
            let Some(stored) = found.into_iter().next() else { return Ok(None) };
            let value =
                STANDARD.decode(stored.value.unwrap_or_default()).map_err(|error| unreadable(error.to_string()))?;
            Ok(Some(KeyValue { value: value.into(), version: stored.modify_index, holder: stored.session }))
        };
        self.guard.read(ask).await
    }

    async fn put(&self, key: &str, value: Bytes, expect: Expect) -> Result<bool, StoreError> {
        self.change(Method::PUT, format!("/v1/kv/{}{}", path(key), condition(expect)), value).await
    }

    async fn delete(&self, key: &str, expect: Expect) -> Result<bool, StoreError> {
        if expect == Expect::Absent {
            return Ok(self.get(key).await?.is_none());
        }
        self.change(Method::DELETE, format!("/v1/kv/{}{}", path(key), condition(expect)), Bytes::new()).await
    }

    async fn begin_session(&self, name: &str, ttl_ms: u64) -> Result<String, StoreError> {
        if !SESSION_MS.contains(&ttl_ms) {
            return Err(StoreError::Refused("a session of Consul lives 10 s to 24 h".to_owned()));
        }
        let body = json!({"Name": name, "TTL": format!("{ttl_ms}ms"), "LockDelay": LOCK_DELAY, "Behavior": "release"});
        let call = async {
            let body = Bytes::from(body.to_string());
            let reply = self.agents.call(Method::PUT, "/v1/session/create", body, 0).await.map_err(failure)?;
            let made: Option<Value> = reply.json().ok().filter(|_| reply.status.is_success());
            let id = made.as_ref().and_then(|made| made["ID"].as_str().map(str::to_owned));
            id.ok_or_else(|| refused(reply.status, &reply.body))
        };
        self.guard.write(call).await
    }

    async fn renew_session(&self, session: &str) -> Result<bool, StoreError> {
        let path = format!("/v1/session/renew/{}", segment(session));
        let call = async {
            let reply = self.agents.call(Method::PUT, &path, Bytes::new(), 0).await.map_err(failure)?;
            match reply.status {
                StatusCode::NOT_FOUND => Ok(false),
                status if status.is_success() => Ok(true),
                status => Err(refused(status, &reply.body)),
            }
        };
        self.guard.write(call).await
    }

    async fn end_session(&self, session: &str) -> Result<(), StoreError> {
        self.change(Method::PUT, format!("/v1/session/destroy/{}", segment(session)), Bytes::new()).await.map(drop)
    }

    async fn acquire(&self, key: &str, value: Bytes, session: &str) -> Result<bool, StoreError> {
        self.change(Method::PUT, format!("/v1/kv/{}?acquire={}", path(key), segment(session)), value).await
    }

    async fn release(&self, key: &str, session: &str) -> Result<bool, StoreError> {
        // The value goes on standing there.
        let value = self.get(key).await?.map(|found| found.value).unwrap_or_default();
        self.change(Method::PUT, format!("/v1/kv/{}?release={}", path(key), segment(session)), value).await
    }
}
