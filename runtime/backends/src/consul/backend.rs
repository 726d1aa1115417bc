//! The backend around the registry port and the keys port.

use std::sync::Arc;

use archgen_env::{
    Env,
    http::{Client, ClientError, Limits, Reply},
};
use archgen_ports::{
    StoreError,
    registry::{Instance, Registry},
};
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::{ConsulRegistry, keys::ConsulKeys};
use crate::{Backend, Failure, Fault, FaultKind, Guard, Metrics, PortSet, Server, Target};

/// Longest call that waits for nothing, milliseconds.
const CALL_MS_MAX: u64 = 3_000;
/// The oldest server that will do: its answers name a service's check as the registry port reads it.
const LEAST: (u32, u32) = (1, 10);
/// Error text of an agent that is shown, characters.
const REASON_CHARS_MAX: usize = 200;

/// One agent, or several to turn to. Cloning shares the connections.
#[derive(Clone)]
struct Consul(Arc<Inner>);

struct Inner {
    target: Target,
    client: Client,
    registry: ConsulRegistry,
    guard: Guard,
}

/// A backend for this target. Its credentials are the access token.
pub(crate) fn open(env: &Env, target: Target, metrics: Metrics) -> Arc<dyn Backend> {
    let guard = Guard::new(&target.store, CALL_MS_MAX + 500, env.entropy("consul"), metrics).on(&target);
    let limits = Limits { call_ms_max: CALL_MS_MAX, ..Limits::default() };
    let token = target.credentials.as_ref().map(|c| c.password.expose().to_owned());
    let registry = ConsulRegistry::new(env.clone(), target.endpoints.clone(), token.as_deref());
    Arc::new(Consul(Arc::new(Inner { target, client: Client::new(env, limits), registry, guard })))
}

/// What a failed call to an agent means.
pub(super) fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::Refused(why) => Failure::Refused(why),
        StoreError::Indeterminate(why) => Failure::Lost(why),
    }
}

fn said(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).trim().chars().take(REASON_CHARS_MAX).collect()
}

impl Inner {
    fn headers(&self) -> Result<HeaderMap, FaultKind> {
        let mut headers = HeaderMap::new();
        if let Some(who) = &self.target.credentials {
            let token = HeaderValue::from_str(who.password.expose());
            let mut token =
                token.map_err(|_| FaultKind::Credentials("a token that cannot stand in a header".to_owned()))?;
            token.set_sensitive(true);
            headers.insert("x-consul-token", token);
        }
        Ok(headers)
    }

    async fn ask(&self, path: &str) -> Result<Reply, FaultKind> {
        let mut last = FaultKind::Unreachable("no address is named".to_owned());
        for address in &self.target.endpoints {
            match self.client.get(address, path, self.headers()?).await {
                Ok(reply) => return Ok(reply),
                // What does not speak HTTP answers with something else, or closes.
                Err(ClientError::Connection(_, why)) => last = FaultKind::Foreign(format!("not HTTP: {why}")),
                Err(error) => last = FaultKind::Unreachable(error.to_string()),
            }
        }
        Err(last)
    }

    async fn look(&self) -> Result<Server, FaultKind> {
        let leader = self.ask("/v1/status/leader").await?;
        match leader.json::<String>() {
            Ok(address) if address.is_empty() => {
                return Err(FaultKind::Unreachable("its servers have no leader now".to_owned()));
            }
            Ok(_) => {}
            // So does an agent whose servers are away.
            Err(_) if leader.status.is_server_error() => return Err(FaultKind::Unreachable(said(&leader))),
            Err(_) => return Err(FaultKind::Foreign(format!("no Consul: it answers {}", leader.status.as_u16()))),
        }
        if self.target.credentials.is_some() {
            let own = self.ask("/v1/acl/token/self").await?;
            if own.status == StatusCode::FORBIDDEN {
                return Err(FaultKind::Credentials(format!("the token ({})", said(&own))));
            }
        }
        let about = self.ask("/v1/agent/self").await?;
        if about.status == StatusCode::FORBIDDEN && self.target.credentials.is_none() {
            return Err(FaultKind::Credentials("a connection without a token".to_owned()));
        }
        let about: Value = about.json().unwrap_or_default();
        if let Some(found) = about["Config"]["Datacenter"].as_str().filter(|d| *d != self.target.namespace) {
            let why = format!("datacenter `{}` here: the agent belongs to `{found}`", self.target.namespace);
            return Err(FaultKind::Namespace(why));
        }
        // A token that may not read about the agent may still register.
        let Some(version) = about["Config"]["Version"].as_str() else {
            return Ok(Server { version: "Consul".to_owned() });
        };
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < LEAST {
            return Err(FaultKind::TooOld { found: version.to_owned(), least: "1.10" });
        }
        Ok(Server { version: format!("Consul {version}") })
    }
}

#[async_trait]
impl Backend for Consul {
    fn target(&self) -> &Target {
        &self.0.target
    }

    fn ports(&self) -> PortSet {
        PortSet {
            registry: Some(Arc::new(self.clone())),
            keys: Some(Arc::new(ConsulKeys::new(self.0.registry.clone(), self.0.guard.clone()))),
            ..PortSet::default()
        }
    }

    async fn check(&self) -> Result<Server, Fault> {
        self.0.look().await.map_err(|kind| kind.at(&self.0.target))
    }

    async fn prepare(&self) -> Result<Server, Fault> {
        // There is nothing to make: instances register themselves.
        self.check().await
    }
}

#[async_trait]
impl Registry for Consul {
    async fn register(&self, instance: &Instance, ttl_ms: u64) -> Result<(), StoreError> {
        let call = async { self.0.registry.register(instance, ttl_ms).await.map_err(failure) };
        self.0.guard.write(call).await
    }

    async fn pass(&self, id: &str) -> Result<(), StoreError> {
        self.0.guard.write(async { self.0.registry.pass(id).await.map_err(failure) }).await
    }

    async fn deregister(&self, id: &str) -> Result<(), StoreError> {
        self.0.guard.write(async { self.0.registry.deregister(id).await.map_err(failure) }).await
    }

    async fn healthy(&self, service: &str, index: u64, wait_ms: u64) -> Result<(u64, Vec<Instance>), StoreError> {
        // A wait is as long as the caller says: no deadline of ours ends it.
        self.0.registry.healthy(service, index, wait_ms).await
    }
}
