//! What a server among several tells the others, best effort: soft state needs no more, since whatever is lost is said again
//! at the next sign of life.

use archgen_env::http::Client;
use archgen_ports::ServiceKey;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::sync::mpsc;

use super::{state::State, wire};
use crate::host::Peer;

/// Marks a request that another server passed on, so that it goes no further.
pub(super) const RELAYED_HEADER: &str = "x-archgen-relayed";
/// Header of Consul's access token.
pub(super) const TOKEN_HEADER: &str = "x-consul-token";
/// Words waiting for one server; more are dropped.
const QUEUE_WORDS_MAX: usize = 1_024;

/// One thing to pass on.
#[derive(Debug, Clone)]
pub(super) enum Word {
    /// The instance was registered; its definition is read when sent.
    Registered(String),
    /// The instance was removed.
    Deregistered(String),
    /// A time-to-live check of the instance was told this.
    Told { service: String, check: String, verb: &'static str },
}

/// Queues to the other servers.
#[derive(Clone, Default)]
pub(super) struct Relay(Vec<mpsc::Sender<Word>>);

impl Relay {
    /// Queues to these servers, and the receiving ends for [`run`].
    pub(super) fn new(others: &[Peer]) -> (Self, Vec<(Peer, mpsc::Receiver<Word>)>) {
        let pairs = others.iter().map(|peer| (peer.clone(), mpsc::channel(QUEUE_WORDS_MAX)));
        let (senders, receivers) = pairs.map(|(peer, (sender, receiver))| (sender, (peer, receiver))).unzip();
        (Self(senders), receivers)
    }

    /// Whether there are other servers.
    pub(super) fn is_alone(&self) -> bool {
        self.0.is_empty()
    }

    /// Passes a word on.
    pub(super) fn say(&self, word: &Word) {
        for sender in &self.0 {
            // A full queue means a server that does not answer; it will hear the next sign of life.
            let _ = sender.try_send(word.clone());
        }
    }
}

/// Passes words on to one server until the host stops.
pub(super) async fn run(state: State, client: Client, key: ServiceKey, peer: Peer, mut words: mpsc::Receiver<Word>) {
    loop {
        let word = tokio::select! {
            biased;
            () = state.env.shutdown().triggered() => return,
            word = words.recv() => word,
        };
        let Some(word) = word else { return };
        let sent = match &word {
            Word::Registered(id) => register(&state, &client, &key, &peer, id).await,
            Word::Deregistered(id) => {
                put(&client, &key, &peer, &format!("/v1/agent/service/deregister/{}", escaped(id)), Vec::new()).await
            }
            Word::Told { service, check, verb } => {
                let path = format!("/v1/agent/check/{verb}/{}", escaped(check));
                match put(&client, &key, &peer, &path, Vec::new()).await {
                    // It has never heard of the instance, or forgot it in a restart.
                    Some(StatusCode::NOT_FOUND) => register(&state, &client, &key, &peer, service).await,
                    other => other,
                }
            }
        };
        if sent.is_none() {
            tracing::debug!(peer = %peer.name, "another registry server did not answer");
        }
    }
}

async fn register(state: &State, client: &Client, key: &ServiceKey, peer: &Peer, id: &str) -> Option<StatusCode> {
    let definition = state.read(|d| d.catalog.service(id).map(|s| wire::definition(&d.catalog, s).to_string()));
    match definition {
        Some(definition) => put(client, key, peer, "/v1/agent/service/register", definition.into_bytes()).await,
        None => Some(StatusCode::OK),
    }
}

async fn put(client: &Client, key: &ServiceKey, peer: &Peer, path: &str, body: Vec<u8>) -> Option<StatusCode> {
    let mut headers = HeaderMap::new();
    headers.insert(RELAYED_HEADER, HeaderValue::from_static("1"));
    if let Ok(mut value) = HeaderValue::from_str(key.expose()) {
        value.set_sensitive(true);
        headers.insert(TOKEN_HEADER, value);
    }
    client.call(Method::PUT, &peer.address, path, headers, body).await.ok().map(|reply| reply.status)
}

fn escaped(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:".contains(&b);
    id.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
