//! What the messaging service is given, and its run.

use std::sync::Arc;

use archgen_env::http::ServerLimits;
use archgen_ports::{accounts::Accounts, events::Events, messages::Messages};

use axum::{Json, Router, extract::DefaultBodyLimit, routing::get};

use super::{
    api, asyncapi, chores, internal, lease, personal_api, relay,
    state::{Shared, State},
    sync,
};
use crate::host::{Documented, HostContext, HostError, Peers};

/// Body of a request, bytes: the largest message, each of its bytes escaped.
const REQUEST_BYTES_MAX: usize = 256 << 10;

/// Configuration.
#[derive(Clone)]
pub struct Config {
    /// Channel logs and leases.
    pub messages: Arc<dyn Messages>,
    /// Channels and members.
    pub accounts: Arc<dyn Accounts>,
    /// Where events go; without it nothing is published.
    pub events: Option<Arc<dyn Events>>,
    /// Topic of the events.
    pub topic: String,
    /// The user service, which knows handles.
    pub user: Peers,
    /// The instances of this service, this one among them, ordinal order.
    pub messaging: Peers,
    /// Realtime hosts, which are told of every entry.
    pub realtime: Option<Peers>,
    /// The file service, whose download URLs outlive a membership for a moment.
    pub file: Option<Peers>,
    /// The search service, whose searches under way were filtered by memberships.
    pub search: Option<Peers>,
    /// Ownership shards.
    pub shards: u16,
    /// How long an owner may go without renewing, milliseconds.
    pub lease_ms: u64,
}

/// Runs the service until the order to stop; then gives its shards back.
///
/// # Errors
/// [`HostError::Listen`].
pub async fn run(context: HostContext, config: Config) -> Result<(), HostError> {
    let state = Arc::new(State::new(&context, config));
    let leases = context.env.spawn("lease", lease::keep(state.clone()));
    let relay = context.env.spawn("relay", relay::run(state.clone()));
    let chores = context.env.spawn("chores", chores::run(state.clone()));
    let (public, described) =
        sync::routes(personal_api::routes(api::routes(Documented::default()))).finish("Messaging");
    let public = public.layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX)).with_state(Shared(state.clone()));
    let described = Router::new()
        .route("/openapi.json", get(async move || Json(described)))
        .route("/asyncapi.json", get(async || Json(asyncapi::document())));
    let routes = public.merge(described).merge(internal::routes(state.clone()));
    let served = context.serve(routes, ServerLimits::default()).await;
    relay.abort();
    chores.abort();
    state.stopped.notify_one();
    leases.join().await;
    served
}
