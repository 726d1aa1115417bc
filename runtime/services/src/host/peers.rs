//! [`Peers`]: the instances of another service, and internal calls to them with failover.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use archgen_env::{
    http::{Client, ClientError, Reply},
    net::Address,
};
use archgen_ports::ServiceKey;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

/// Wait before an instance that did not confirm is asked again, milliseconds.
const CONFIRM_AGAIN_MS: u64 = 200;

/// One instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Host name: `messaging-1`.
    pub name: String,
    /// Where it listens.
    pub address: Address,
}

/// The instances of a service that this host calls. Cloning shares the rotation.
#[derive(Clone)]
pub struct Peers {
    service: String,
    instances: Arc<[Peer]>,
    next: Arc<AtomicUsize>,
    client: Client,
    key: ServiceKey,
}

impl Peers {
    /// The instances of `service`, called with `client` under the fleet's key.
    pub fn new(service: &str, instances: Vec<Peer>, client: Client, key: ServiceKey) -> Self {
        Self { service: service.to_owned(), instances: instances.into(), next: Arc::default(), client, key }
    }

    /// The same instances, each called for at most so long.
    pub fn with_deadline(&self, call_ms_max: u64) -> Self {
        Self { client: self.client.with_deadline(call_ms_max), ..self.clone() }
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// All instances.
    pub fn instances(&self) -> &[Peer] {
        &self.instances
    }

    /// The instance of this host name.
    pub fn named(&self, name: &str) -> Option<&Peer> {
        self.instances.iter().find(|p| p.name == name)
    }

    /// Headers of an internal call: the fleet's key.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::from_str(self.key.expose()) {
            value.set_sensitive(true);
            headers.insert(ServiceKey::HEADER, value);
        }
        headers
    }

    /// Calls one instance with JSON.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call_at<T: Serialize + ?Sized>(
        &self,
        peer: &Peer,
        method: Method,
        path: &str,
        body: &T,
    ) -> Result<Reply, ClientError> {
        self.client.json(method, &peer.address, path, self.headers(), body).await
    }

    /// Calls every instance until each has answered with success or the time is over; returns those that have not.
    pub async fn confirm_all<T: Serialize + ?Sized>(&self, path: &str, body: &T, within: Duration) -> Vec<String> {
        let until = Instant::now() + within;
        let calls = self.instances.iter().map(|peer| async move {
            while Instant::now() < until {
                let call = timeout_at(until, self.call_at(peer, Method::POST, path, body)).await;
                if call.is_ok_and(|reply| reply.is_ok_and(|reply| reply.status.is_success())) {
                    return None;
                }
                let again = Instant::now() + Duration::from_millis(CONFIRM_AGAIN_MS);
                tokio::time::sleep_until(again.min(until)).await;
            }
            Some(peer.name.clone())
        });
        join_all(calls).await.into_iter().flatten().collect()
    }

    /// Calls the instances in turn, beginning with the next one, until one answers with a status below 500. Only for calls that may be
    /// repeated: an instance that failed may have done the work.
    ///
    /// # Errors
    /// The last instance's error; [`ClientError::Connection`] where there is no instance.
    pub async fn call<T: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &str,
        body: &T,
    ) -> Result<Reply, ClientError> {
        let mut last = ClientError::Connection(self.service.clone(), "no instance".to_owned());
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for turn in 0..self.instances.len() {
            let peer = &self.instances[(first + turn) % self.instances.len()];
            match self.call_at(peer, method.clone(), path, body).await {
                Ok(reply) if reply.status.as_u16() < 500 => return Ok(reply),
                Ok(reply) => {
                    last = ClientError::Connection(peer.name.clone(), format!("status {}", reply.status.as_u16()))
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
