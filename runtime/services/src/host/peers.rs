//! [`Peers`]: the instances of another service, which may change while hosts run, and internal calls to them with failover.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use archgen_env::{
    deadline,
    http::{Client, ClientError, Reply},
    net::Address,
};
use archgen_ports::ServiceKey;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

/// Wait before an instance that did not confirm is asked again, milliseconds.
const CONFIRM_AGAIN_MS: u64 = 200;

/// One instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Host name: `messaging-1`.
    pub name: String,
    /// Where it listens.
    pub address: Address,
}

/// The instances of a service as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instances {
    /// The service's name.
    pub service: String,
    /// Who can be called, ordinal order.
    pub instances: Vec<Peer>,
    /// The first so many of them are to stay; what others hold is handed over to these.
    pub replicas: u32,
}

/// What is known of them, and how many are to stay.
type Known = Arc<RwLock<(Arc<[Peer]>, u32)>>;

/// What a host knows of other services' instances: as the spec had it at its start, and as it was told since. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Directory(Arc<Mutex<BTreeMap<String, Known>>>);

impl Directory {
    fn known(&self, service: &str, instances: Vec<Peer>) -> Known {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let replicas = instances.len() as u32;
        let new = || Arc::new(RwLock::new((instances.into(), replicas)));
        all.entry(service.to_owned()).or_insert_with(new).clone()
    }

    /// Takes in what became of a service's instances; a service that this host does not call is none of its business.
    pub fn tell(&self, now: Instances) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&now.service) {
            *known.write().unwrap_or_else(PoisonError::into_inner) = (now.instances.into(), now.replicas);
        }
    }
}

/// The instances of a service that this host calls. Cloning shares the rotation.
#[derive(Clone)]
pub struct Peers {
    service: String,
    known: Known,
    next: Arc<AtomicUsize>,
    client: Client,
    key: ServiceKey,
    terms: Terms,
}

/// What the spec says of calls to a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Within how long the service answers: each try of a call is given up then.
    pub timeout: Option<Duration>,
    /// How often a call that was sent is tried again. Unsaid, each instance is tried once.
    pub retries: Option<u32>,
}

impl Peers {
    /// The instances of `service`, called with `client` under the fleet's key.
    pub fn new(service: &str, instances: Vec<Peer>, client: Client, key: ServiceKey) -> Self {
        Self::of(&Directory::default(), service, instances, client, key)
    }

    /// As [`Self::new`], until the directory is told something else.
    pub fn of(directory: &Directory, service: &str, instances: Vec<Peer>, client: Client, key: ServiceKey) -> Self {
        let known = directory.known(service, instances);
        Self { service: service.to_owned(), known, next: Arc::default(), client, key, terms: Terms::default() }
    }

    fn now(&self) -> (Arc<[Peer]>, u32) {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same instances, called on these terms.
    pub fn on(self, terms: Terms) -> Self {
        let call_ms_max = terms.timeout.map_or(self.client.call_ms_max(), |t| t.as_millis() as u64);
        Self { client: self.client.with_deadline(call_ms_max), terms, ..self }
    }

    /// The same instances, each called for at most so long, or for as long as the spec says where that is less.
    pub fn with_deadline(&self, call_ms_max: u64) -> Self {
        let said = self.terms.timeout.map_or(u64::MAX, |t| t.as_millis() as u64);
        Self { client: self.client.with_deadline(call_ms_max.min(said)), ..self.clone() }
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// All instances.
    pub fn instances(&self) -> Arc<[Peer]> {
        self.now().0
    }

    /// How many instances are to stay: the first ones.
    pub fn replicas(&self) -> u32 {
        self.now().1
    }

    /// The instance of this host name.
    pub fn named(&self, name: &str) -> Option<Peer> {
        self.now().0.iter().find(|p| p.name == name).cloned()
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
        let instances = self.instances();
        let calls = instances.iter().map(|peer| async move {
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
    /// repeated: an instance that failed may have done the work. A call that reached nobody is no try; those that did are as many as the
    /// terms allow; and nothing is tried for work whose time is over.
    ///
    /// # Errors
    /// The last instance's error; [`ClientError::Unreachable`] where there is no instance.
    pub async fn call<T: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &str,
        body: &T,
    ) -> Result<Reply, ClientError> {
        let mut last = ClientError::Unreachable(self.service.clone(), "no instance".to_owned());
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let instances = self.instances();
        let count = instances.len();
        let tries_max = self.terms.retries.map_or(count, |retries| retries as usize + 1);
        let (mut tries, mut unreached) = (0, 0);
        for turn in 0.. {
            let is_over = tries > 0 && deadline::left().is_some_and(|left| left.is_zero());
            if tries == tries_max || unreached == count || is_over {
                break;
            }
            // Unsaid, each instance has its one turn, reached or not.
            if self.terms.retries.is_none() && turn == count {
                break;
            }
            let peer = &instances[(first + turn) % count];
            match self.call_at(peer, method.clone(), path, body).await {
                Ok(reply) if reply.status.as_u16() < 500 => return Ok(reply),
                Ok(reply) => {
                    last = ClientError::Connection(peer.name.clone(), format!("status {}", reply.status.as_u16()))
                }
                Err(error) => last = error,
            }
            match last {
                // A whole round that reached nobody will not do better at once.
                ClientError::Unreachable(..) => unreached += 1,
                _ => (tries, unreached) = (tries + 1, 0),
            }
        }
        Err(last)
    }
}
