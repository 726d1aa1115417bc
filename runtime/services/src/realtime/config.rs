//! What the realtime service is given, and its run.

use std::sync::Arc;

use archgen_env::http::ServerLimits;
use archgen_socketio::{Config as SocketConfig, Origins, Server};

use super::{badges, handler::Sockets, internal, presence, repair, state::State};
use crate::{
    host::{HostContext, HostError, Peers},
    identity::{Revocations, TokenVerifier},
};

/// Configuration.
#[derive(Clone)]
pub struct Config {
    /// The messaging service.
    pub messaging: Peers,
    /// The user service, which keeps presence of record.
    pub user: Peers,
    /// The instances of this service, this one among them.
    pub realtime: Peers,
    /// Checks access tokens.
    pub verifier: TokenVerifier,
    /// Sessions that have ended.
    pub revocations: Revocations,
    /// Browser origins that may connect.
    pub origins: Origins,
    /// Whether browsers may send cookies along.
    pub credentials: bool,
    /// Engine.IO ping interval, milliseconds.
    pub ping_interval_ms: u64,
    /// Engine.IO ping timeout, milliseconds.
    pub ping_timeout_ms: u64,
    /// Open sessions; one more is refused.
    pub sessions_max: usize,
}

/// Runs the service until the order to stop; then tells every socket to come back elsewhere.
///
/// # Errors
/// [`HostError::Listen`].
pub async fn run(context: HostContext, config: Config) -> Result<(), HostError> {
    let sockets = SocketConfig {
        node: context.env.host().to_owned(),
        ping_interval_ms: config.ping_interval_ms,
        ping_timeout_ms: config.ping_timeout_ms,
        origins: config.origins.clone(),
        credentials: config.credentials,
        sessions_max: config.sessions_max,
        ..SocketConfig::default()
    };
    let state = Arc::new(State::new(&context, config));
    let server = Server::new(&context.env, sockets, Arc::new(Sockets(state.clone())));
    let tasks = [
        context.env.spawn("heads", repair::watch_heads(state.clone())),
        context.env.spawn("presence", presence::report(state.clone())),
        context.env.spawn("presence watch", presence::watch(state.clone())),
        context.env.spawn("badges", badges::tell(state.clone())),
        context.env.spawn("token expiry", repair::watch_expiry(state.clone())),
    ];
    let routes = server.router().merge(internal::routes(state));
    let (its_context, stopping) = (context.clone(), server.clone());
    let drain = context.env.spawn("drain", async move {
        its_context.env.shutdown().triggered().await;
        stopping.shutdown("shutdown").await;
    });
    let served = context.serve(routes, ServerLimits::default()).await;
    if context.env.shutdown().is_triggered() {
        drain.join().await;
    }
    for task in tasks {
        task.abort();
    }
    served
}
