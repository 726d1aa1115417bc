//! [`ConsulRegistry`]: calls to the first agent that answers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use archgen_env::{
    Env,
    http::{Client, ClientError, Limits, Reply},
    net::Address,
};
use archgen_ports::{
    StoreError,
    registry::{Instance, Registry},
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::wire::{HealthEntry, check_id, registration, segment};

/// Time allowed to a call beyond the wait it asks for, milliseconds.
const CALL_MS_MAX: u64 = 3_000;
/// Longest wait asked of a blocking query, milliseconds (Consul's own bound).
const WAIT_MS_MAX: u64 = 600_000;
/// Error text of an agent that is shown, bytes.
const REASON_BYTES_MAX: usize = 200;

/// The registry port over Consul's HTTP API.
///
/// A registration belongs to the agent that took it, so all calls go to one agent and move to the next only when it does not
/// answer (a change whose answer was lost with the next call); there the instance is unknown, [`Registry::pass`] says so, and the caller registers again. With real Consul, give
/// the one local agent: an instance registered through two agents would be listed twice until the first entry times out
/// (`healthy` lists it once).
#[derive(Clone)]
pub struct ConsulRegistry {
    client: Client,
    agents: Arc<[Address]>,
    token: Option<HeaderValue>,
    current: Arc<AtomicUsize>,
}

impl ConsulRegistry {
    /// A registry over these agents, with an access token where they ask for one. A token that cannot stand in a header is
    /// left out, and the agents will refuse.
    pub fn new(env: Env, agents: Vec<Address>, token: Option<&str>) -> Self {
        let limits = Limits { call_ms_max: CALL_MS_MAX, ..Limits::default() };
        let token = token.and_then(|t| HeaderValue::from_str(t).ok()).map(|mut t| {
            t.set_sensitive(true);
            t
        });
        Self { client: Client::new(&env, limits), agents: agents.into(), token, current: Arc::default() }
    }

    /// Calls the current agent, then the others in turn while one gives no answer. A change whose answer was lost is not asked for
    /// again: it may have been made, and a second one would be another change, or be refused because of the first.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait_ms: u64,
    ) -> Result<Reply, StoreError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert("x-consul-token", token.clone());
        }
        let client = self.client.with_deadline(CALL_MS_MAX + wait_ms);
        let is_change = method != Method::GET;
        let mut last = StoreError::Refused("no registry agent is configured".to_owned());
        let first = self.current.load(Ordering::Relaxed);
        for turn in 0..self.agents.len() {
            let at = (first + turn) % self.agents.len();
            match client.call(method.clone(), &self.agents[at], path, headers.clone(), body.clone()).await {
                Ok(reply) => {
                    self.current.store(at, Ordering::Relaxed);
                    return Ok(reply);
                }
                Err(error @ ClientError::Invalid(_)) => return Err(StoreError::Refused(error.to_string())),
                Err(error) => {
                    // A connection that was never made carried nothing.
                    let unsent = matches!(error, ClientError::Unreachable(..));
                    last = StoreError::Indeterminate(error.to_string());
                    if is_change && !unsent {
                        // Who gave no answer is not asked first the next time.
                        self.current.store((at + 1) % self.agents.len(), Ordering::Relaxed);
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    async fn put(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        let reply = self.call(Method::PUT, path, body, 0).await?;
        if reply.status.is_success() { Ok(()) } else { Err(refused(&reply)) }
    }
}

fn refused(reply: &Reply) -> StoreError {
    let reason = String::from_utf8_lossy(&reply.body[..reply.body.len().min(REASON_BYTES_MAX)]).into_owned();
    StoreError::Refused(format!("registry answered {}: {}", reply.status.as_u16(), reason.trim()))
}

#[async_trait]
impl Registry for ConsulRegistry {
    async fn register(&self, instance: &Instance, ttl_ms: u64) -> Result<(), StoreError> {
        let body = registration(instance, ttl_ms).to_string();
        self.put("/v1/agent/service/register?replace-existing-checks=true", body.into()).await
    }

    async fn pass(&self, id: &str) -> Result<(), StoreError> {
        self.put(&format!("/v1/agent/check/pass/{}", segment(&check_id(id))), Bytes::new()).await
    }

    async fn deregister(&self, id: &str) -> Result<(), StoreError> {
        let path = format!("/v1/agent/service/deregister/{}", segment(id));
        let reply = self.call(Method::PUT, &path, Bytes::new(), 0).await?;
        // It is gone already: the registry restarted or timed it out.
        if reply.status.is_success() || reply.status == StatusCode::NOT_FOUND { Ok(()) } else { Err(refused(&reply)) }
    }

    async fn healthy(&self, service: &str, index: u64, wait_ms: u64) -> Result<(u64, Vec<Instance>), StoreError> {
        let wait_ms = if index == 0 { 0 } else { wait_ms.min(WAIT_MS_MAX) };
        let mut path = format!("/v1/health/service/{}?passing=true", segment(service));
        if wait_ms > 0 {
            path.push_str(&format!("&index={index}&wait={wait_ms}ms"));
        }
        // Consul spreads wake-ups by adding up to a sixteenth to the wait.
        let reply = self.call(Method::GET, &path, Bytes::new(), wait_ms + wait_ms / 16).await?;
        if !reply.status.is_success() {
            return Err(refused(&reply));
        }
        let told = reply.headers.get("x-consul-index").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        // Consul asks clients to treat an index of 0 or none as 1.
        let now = told.unwrap_or(0).max(1);
        let entries: Vec<HealthEntry> = reply.json().map_err(|error| StoreError::Indeterminate(error.to_string()))?;
        let mut instances: Vec<Instance> = entries.into_iter().map(HealthEntry::instance).collect();
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        instances.dedup_by(|a, b| a.id == b.id);
        Ok((now, instances))
    }
}
