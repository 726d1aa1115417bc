//! [`Server`]: the routes, the register of sessions, and the end of both.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use archgen_env::{Env, entropy::Entropy, http::PeerAddress};
use axum::{Router, body::Body, extract::State, routing::any};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, Request, Response, StatusCode, header};
use serde_json::json;
use tokio::{sync::Notify, time::Instant};

use super::{
    Config, Handler,
    handler::{Messages, Namespace},
    link::{Core, Link, Seat},
    polling,
    request::{Query, plain, preflight, refuse, share, unavailable},
    websocket,
};
use crate::{
    Encoded,
    engine::{Carrier, Close, Message, Open, Rate, Refusal},
};

/// What stands above the sessions.
pub(crate) enum Above {
    /// Socket.IO: namespaces by name.
    Namespaces(BTreeMap<String, Arc<Namespace>>),
    /// Engine.IO alone.
    Bare(Arc<dyn Messages>),
}

/// What a server's parts share.
pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) config: Config,
    pub(crate) above: Above,
    entropy: Entropy,
    began: Instant,
    admission: Mutex<Rate>,
    sessions: Mutex<BTreeMap<String, Arc<Link>>>,
    draining: AtomicBool,
    forgotten: Notify,
}

impl Inner {
    /// An id that cannot be guessed, led by the node's name.
    pub(crate) fn new_id(&self) -> String {
        format!("{}.{}", self.config.node, URL_SAFE_NO_PAD.encode(self.entropy.bytes::<16>()))
    }

    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.above, Above::Bare(_))
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        match &self.above {
            Above::Namespaces(namespaces) => namespaces.get(name).cloned(),
            Above::Bare(_) => None,
        }
    }

    /// Whether one more session may open now.
    fn admit(&self) -> bool {
        let now_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.admission.lock().unwrap_or_else(PoisonError::into_inner).allow(now_us, 1)
    }

    pub(crate) fn forget(&self, sid: &str) {
        self.sessions().remove(sid);
        self.forgotten.notify_waiters();
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Link>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, sid: &str) -> Result<Arc<Link>, Refusal> {
        self.sessions().get(sid).cloned().ok_or(Refusal::SessionUnknown)
    }
}

/// A Socket.IO server. Cloning shares it.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

impl Server {
    /// A server of this host whose namespace `/` is served by this handler. It is reached by [`Server::router`].
    pub fn new(env: &Env, config: Config, handler: Arc<dyn Handler>) -> Self {
        Self::with_namespaces(env, config, vec![Namespace::main(handler)])
    }

    /// A server with these namespaces.
    pub fn with_namespaces(env: &Env, config: Config, namespaces: Vec<Namespace>) -> Self {
        let namespaces = namespaces.into_iter().map(|one| (one.name.to_string(), Arc::new(one)));
        Self::start(env, config, Above::Namespaces(namespaces.collect()))
    }

    /// A server that speaks Engine.IO alone.
    pub fn bare(env: &Env, config: Config, messages: Arc<dyn Messages>) -> Self {
        Self::start(env, config, Above::Bare(messages))
    }

    fn start(env: &Env, config: Config, above: Above) -> Self {
        Self(Arc::new(Inner {
            entropy: env.entropy("socketio"),
            env: env.clone(),
            admission: Mutex::new(Rate::new(config.admission)),
            began: Instant::now(),
            config,
            above,
            sessions: Mutex::default(),
            draining: AtomicBool::new(false),
            forgotten: Notify::new(),
        }))
    }

    /// The route of [`Config::path`], to be merged into the host's routes.
    pub fn router(&self) -> Router {
        let path = &self.0.config.path;
        Router::new().route(&format!("{path}/"), any(serve)).route(path, any(serve)).with_state(self.clone())
    }

    /// Number of open sessions.
    pub fn sessions(&self) -> usize {
        self.0.sessions().len()
    }

    /// Takes no new session, tells each client when to come back and why it is let go, closes all transports, and waits
    /// for their ends, at most for twice `close_ms_max`.
    pub async fn shutdown(&self, reason: &str) {
        self.0.draining.store(true, Ordering::SeqCst);
        let all: Vec<Arc<Link>> = self.0.sessions().values().cloned().collect();
        let spread_ms = self.0.config.reconnect_spread_ms_max;
        for link in all {
            let after_ms = self.0.entropy.below(spread_ms);
            link.change(|core, now_ms| {
                let Core { places, session, .. } = &mut *core;
                for place in places.iter().filter(|place| spread_ms > 0 && matches!(place.seat, Seat::Taken)) {
                    let argument = json!({"after_ms": after_ms});
                    let drain = Encoded::in_namespace(place.namespace.name.clone(), "drain", argument);
                    session.push(drain.message(), false, now_ms);
                }
                link.close_locked(core, Close::Server(reason.to_owned()), false, now_ms);
            });
        }
        let ended = async {
            loop {
                let forgotten = self.0.forgotten.notified();
                if self.sessions() == 0 {
                    return;
                }
                forgotten.await;
            }
        };
        let wait = Duration::from_millis(self.0.config.close_ms_max * 2);
        if tokio::time::timeout(wait, ended).await.is_err() {
            tracing::info!(sessions = self.sessions(), "sessions still open after the drain time");
        }
    }

    fn open(&self, request: &Request<Body>, carrier: Carrier) -> Option<Arc<Link>> {
        if self.0.draining.load(Ordering::SeqCst) || self.sessions() >= self.0.config.sessions_max || !self.0.admit() {
            return None;
        }
        let remote = request.extensions().get::<PeerAddress>().map(|peer| peer.0);
        let sid = self.0.new_id();
        let link = Arc::new(Link::new(self.0.clone(), sid.clone(), carrier, remote, request.headers()));
        self.0.sessions().insert(sid, link.clone());
        Some(link)
    }

    fn open_packet(&self, link: &Link, upgradable: bool) -> String {
        let config = &self.0.config;
        Open {
            sid: link.sid.clone(),
            upgradable,
            ping_interval_ms: config.ping_interval_ms,
            ping_timeout_ms: config.ping_timeout_ms,
            max_payload_bytes: config.max_payload_bytes,
        }
        .encode()
    }

    async fn polling(&self, query: &Query<'_>, request: Request<Body>) -> Response<Body> {
        match (query.sid, request.method()) {
            (None, &Method::GET) => {
                let Some(link) = self.open(&request, Carrier::Polling) else { return unavailable() };
                let packet = self.open_packet(&link, true);
                polling::start(link);
                plain(StatusCode::OK, packet)
            }
            (None, _) => refuse(Refusal::Method),
            (Some(sid), method) => match self.0.find(sid) {
                Ok(link) if method == Method::GET => polling::poll(link).await,
                Ok(link) if method == Method::POST => {
                    let (parts, body) = request.into_parts();
                    polling::post(link, &parts.headers, body).await
                }
                Ok(_) => refuse(Refusal::BadRequest),
                Err(refusal) => refuse(refusal),
            },
        }
    }

    fn websocket(&self, query: &Query<'_>, mut request: Request<Body>) -> Response<Body> {
        let Some(switching) = websocket::switching(request.headers()).filter(|_| request.method() == Method::GET)
        else {
            return refuse(Refusal::BadRequest);
        };
        match query.sid {
            None => {
                let Some(link) = self.open(&request, Carrier::WebSocket) else { return unavailable() };
                let packet = self.open_packet(&link, false);
                link.change(|core, _| core.session.outbox().append(Message::text(packet), false));
                websocket::start(link, &mut request);
            }
            Some(sid) => match self.0.find(sid) {
                Ok(link) if link.change(|core, _| core.session.probe_begin()).is_ok() => {
                    websocket::start_probe(link, &mut request);
                }
                Ok(link) => websocket::turn_away(link, &mut request),
                Err(refusal) => return refuse(refusal),
            },
        }
        switching
    }
}

async fn serve(State(server): State<Server>, request: Request<Body>) -> Response<Body> {
    let origins = &server.0.config.origins;
    let origin = request.headers().get(header::ORIGIN).cloned();
    if !origins.allow(request.headers()) {
        return refuse(Refusal::Forbidden);
    }
    let query_text = request.uri().query().unwrap_or_default().to_owned();
    let mut response = if request.method() == Method::OPTIONS {
        preflight(request.headers())
    } else {
        match Query::parse(&query_text) {
            Ok(query) if query.websocket => server.websocket(&query, request),
            Ok(query) => server.polling(&query, request).await,
            Err(refusal) => refuse(refusal),
        }
    };
    share(origins, server.0.config.credentials, origin.as_ref(), &mut response);
    response
}
