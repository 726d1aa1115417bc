//! What the user service is given, and its run.

use std::{sync::Arc, time::Duration};

use archgen_env::http::ServerLimits;
use archgen_ports::{accounts::Accounts, cache::Cache, events::Events};

use super::{api, oauth, outbox, state::Shared, sweep};
use crate::host::{HostContext, HostError, Peers};

/// Id of the public client that the system's own pages and apps use.
pub const WEB_CLIENT: &str = "archgen-web";

/// First and longest wait between tries to reach the store at start, milliseconds.
const START_RETRY_MS: (u64, u64) = (50, 2_000);

/// An OAuth client that is registered at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredClient {
    /// Client id.
    pub id: String,
    /// Name shown on the sign-in form.
    pub name: String,
    /// Redirect URIs, matched exactly.
    pub redirect_uris: Vec<String>,
    /// SHA-256 of a confidential client's secret, lower-case hexadecimal; `None` for a public client.
    pub secret_sha256: Option<String>,
}

impl RegisteredClient {
    /// The public client [`WEB_CLIENT`].
    pub fn web(name: &str, redirect_uris: Vec<String>) -> Self {
        Self { id: WEB_CLIENT.to_owned(), name: name.to_owned(), redirect_uris, secret_sha256: None }
    }
}

/// Configuration.
#[derive(Clone)]
pub struct Config {
    /// Accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Presence of record, shared attempt counters, revoked sessions. Without it presence is right for one instance only.
    pub cache: Option<Arc<dyn Cache>>,
    /// Where events go; without it the outbox is kept and nothing is published.
    pub events: Option<Arc<dyn Events>>,
    /// Topic of the events.
    pub topic: String,
    /// Base URL that people reach the system at, without a final slash: the issuer.
    pub public_url: String,
    /// The system's name: audience of access tokens.
    pub audience: String,
    /// Clients registered at start.
    pub clients: Vec<RegisteredClient>,
    /// Argon2id memory per password hash, bytes; raised to the least that Argon2 allows.
    pub password_memory_bytes: u64,
    /// Realtime hosts, which are told of ended sessions.
    pub realtime: Option<Peers>,
    /// Gateways, which are told too.
    pub gateways: Option<Peers>,
}

/// Runs the service until the order to stop.
///
/// # Errors
/// [`HostError::Listen`], [`HostError::Start`].
pub async fn run(context: HostContext, config: Config) -> Result<(), HostError> {
    let Some(state) = start(&context, &config).await? else { return Ok(()) };
    let tasks = [
        context.env.spawn("outbox relay", outbox::relay(state.clone())),
        context.env.spawn("expiry sweep", sweep::sweep(state.clone())),
    ];
    let routes = api::routes(state.clone()).merge(oauth::routes(state));
    let served = context.serve(routes, ServerLimits::default()).await;
    for task in tasks {
        task.abort();
    }
    served
}

/// The state, once the store has answered; `None` when ordered to stop before.
async fn start(context: &HostContext, config: &Config) -> Result<Option<Shared>, HostError> {
    let (mut wait_ms, wait_ms_max) = START_RETRY_MS;
    loop {
        let error = match Shared::load(context, config).await {
            Ok(state) => return Ok(Some(state)),
            Err(error) => error,
        };
        if !error.may_pass() {
            return Err(HostError::Start(error.to_string()));
        }
        tracing::warn!(%error, "the account store is not ready; trying again");
        tokio::select! {
            biased;
            () = context.env.shutdown().triggered() => return Ok(None),
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => wait_ms = (wait_ms * 2).min(wait_ms_max),
        }
    }
}
