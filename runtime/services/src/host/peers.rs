//! [`Peers`]: the instances of another service, and internal calls to them with failover.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use archgen_env::{
    http::{Client, ClientError, Reply},
    net::Address,
};
use archgen_ports::ServiceKey;
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;

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
