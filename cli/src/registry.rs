//! Questions to a registry over Consul's HTTP API: who is there. It asks and never tells: nothing here can change anything.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use archgen_env::{
    Env,
    http::{Client, Limits, Reply},
    net::Address,
};
use archgen_spec::topology::Topology;
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::means::reveal;

/// Time allowed to an answer beyond the wait that it is asked for.
const ANSWER_MS_MAX: u64 = 5_000;
/// Text of a refusal that is shown, characters.
const REASON_CHARACTERS_MAX: usize = 200;

/// A registry that is asked.
#[derive(Clone)]
pub struct Registry {
    client: Client,
    address: Address,
    token: Option<HeaderValue>,
}

/// An instance that the registry knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registered {
    /// Its own id: `messaging-2`.
    pub id: String,
    /// The service that it is one of.
    pub service: String,
    /// Where it answers.
    pub address: String,
    /// Its port.
    pub port: u64,
    /// Whether every check of it passes.
    pub passing: bool,
}

impl Registry {
    /// The registry of a topology: the one that was named, else its endpoint, else the agent on this machine. Its token is the one of
    /// CONSUL_HTTP_TOKEN, else the one that the spec names, whose file is found from `folder`.
    ///
    /// # Errors
    /// It is no such address, or the token is not there.
    pub fn of(topology: &Topology, named: Option<&str>, folder: &Path, env: &Env) -> anyhow::Result<Self> {
        let declared = topology.registry.as_ref();
        let endpoint = declared.and_then(|r| r.endpoints.first()).map(String::as_str);
        let agent = format!("127.0.0.1:{}", declared.map_or(8_500, |r| r.port));
        let token = match std::env::var("CONSUL_HTTP_TOKEN") {
            Ok(token) => Some(token),
            Err(_) => declared
                .and_then(|r| r.token.as_ref())
                .map(|name| {
                    reveal(topology, name, folder).with_context(|| format!("the registry needs the secret `{name}`"))
                })
                .transpose()?,
        };
        Self::at(named.or(endpoint).unwrap_or(&agent), token, env)
    }

    /// The registry at `http://HOST:PORT`; `token` is the one of its access rules.
    ///
    /// # Errors
    /// It is no such address.
    fn at(url: &str, token: Option<String>, env: &Env) -> anyhow::Result<Self> {
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let address =
            address.parse().with_context(|| format!("`{url}` is no address of a registry (http://HOST:PORT)"))?;
        let token = token
            .map(|t| HeaderValue::from_str(&t).context("the access token of the registry cannot stand in a header"));
        let token = token.transpose()?.map(|mut token| {
            token.set_sensitive(true);
            token
        });
        let limits = Limits { call_ms_max: ANSWER_MS_MAX, ..Limits::default() };
        Ok(Self { client: Client::new(env, limits), address, token })
    }

    /// Instances of a service, sorted. With an `index` of an earlier answer: as soon as there is news, or after `wait`.
    ///
    /// # Errors
    /// There is no answer, or it is none of Consul's.
    pub async fn instances(&self, service: &str, index: u64, wait: Duration) -> anyhow::Result<(u64, Vec<Registered>)> {
        let name = utf8_percent_encode(service, NON_ALPHANUMERIC);
        let wait_ms = if index == 0 { 0 } else { wait.as_millis() as u64 };
        let news = if index == 0 { String::new() } else { format!("?index={index}&wait={wait_ms}ms") };
        let reply = self.get(&format!("/v1/health/service/{name}{news}"), wait_ms).await?;
        let told = reply.headers.get("x-consul-index").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let all: Vec<Value> = reply.json().context("the registry's answer")?;
        let mut instances: Vec<Registered> = all.iter().filter_map(registered).collect();
        merge(&mut instances);
        // Consul asks clients to treat an index of 0 or none as 1, and to begin again where it goes back.
        let next = told.unwrap_or(0_u64).max(1);
        Ok((if next < index { 0 } else { next }, instances))
    }

    /// Names of all services.
    ///
    /// # Errors
    /// As above.
    pub async fn services(&self) -> anyhow::Result<Vec<String>> {
        let reply = self.get("/v1/catalog/services", 0).await?;
        let all: serde_json::Map<String, Value> = reply.json().context("the registry's answer")?;
        Ok(all.into_iter().map(|(name, _)| name).collect())
    }

    /// A config entry; `None` where there is none.
    ///
    /// # Errors
    /// As above.
    pub async fn entry(&self, kind: &str, name: &str) -> anyhow::Result<Option<Value>> {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let reply = self.ask(&format!("/v1/config/{kind}/{name}"), 0).await?;
        if reply.status == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(self.good(reply)?.json().context("the registry's answer")?))
    }

    async fn get(&self, path: &str, wait_ms: u64) -> anyhow::Result<Reply> {
        let reply = self.ask(path, wait_ms).await?;
        self.good(reply)
    }

    async fn ask(&self, path: &str, wait_ms: u64) -> anyhow::Result<Reply> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert("x-consul-token", token.clone());
        }
        // Consul spreads wake-ups by adding up to a sixteenth to the wait.
        let client = self.client.with_deadline(ANSWER_MS_MAX + wait_ms + wait_ms / 16);
        let reply = client.call(Method::GET, &self.address, path, headers, "").await;
        reply.with_context(|| format!("the registry at {} does not answer", self.address))
    }

    fn good(&self, reply: Reply) -> anyhow::Result<Reply> {
        if reply.status.is_success() {
            return Ok(reply);
        }
        let reason: String = String::from_utf8_lossy(&reply.body).chars().take(REASON_CHARACTERS_MAX).collect();
        bail!("the registry at {} answers {}: {}", self.address, reply.status.as_u16(), reason.trim())
    }
}

/// Sorts, and makes one of what is told several times: the same instance by way of several nodes, well where one of them says so. Two
/// that only share an id are two.
fn merge(instances: &mut Vec<Registered>) {
    instances.sort();
    instances.dedup_by(|next, kept| {
        let same = (&next.id, &next.address, next.port) == (&kept.id, &kept.address, kept.port);
        kept.passing |= same && next.passing;
        same
    });
}

fn registered(entry: &Value) -> Option<Registered> {
    let service = &entry["Service"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // An instance without an address of its own answers on its node's.
    let own = text(&service["Address"]);
    let passing = entry["Checks"].as_array().is_none_or(|all| all.iter().all(|check| check["Status"] == "passing"));
    Some(Registered {
        id: service["ID"].as_str()?.to_owned(),
        service: text(&service["Service"]),
        address: if own.is_empty() { text(&entry["Node"]["Address"]) } else { own },
        port: service["Port"].as_u64()?,
        passing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_told_apart_by_where_they_are_too() {
        let instance = |id: &str, address: &str, passing: bool| Registered {
            id: id.to_owned(),
            service: "one".to_owned(),
            address: address.to_owned(),
            port: 9_000,
            passing,
        };
        let mut all =
            vec![instance("b", "10.0.0.1", true), instance("a", "10.0.0.2", false), instance("a", "10.0.0.1", false)];
        all.push(instance("a", "10.0.0.1", true));
        merge(&mut all);
        assert_eq!(
            all,
            [instance("a", "10.0.0.1", true), instance("a", "10.0.0.2", false), instance("b", "10.0.0.1", true)]
        );
    }
}
