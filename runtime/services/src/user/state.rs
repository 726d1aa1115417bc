//! What the routes share.

use std::{ops::Deref, sync::Arc};

use archgen_env::{entropy::Entropy, http::PeerAddress};
use archgen_ports::{
    ServiceKey,
    accounts::{Accounts, Write},
    cache::Cache,
};
use axum::extract::FromRef;
use http::{Extensions, HeaderMap};
use tokio::sync::Notify;

use super::{attempts::Attempts, config::Config, error::UserError, keys::Keys, local::LocalCache, password::Passwords};
use crate::host::HostContext;

/// The service's state.
pub(super) struct State {
    pub context: HostContext,
    pub config: Config,
    pub keys: Keys,
    pub passwords: Passwords,
    pub attempts: Attempts,
    /// Presence of record; in this process alone where the fleet has no cache.
    pub presence: Arc<dyn Cache>,
    pub tokens: Entropy,
    /// Rung when an event was written to the outbox.
    pub relay: Notify,
}

/// [`State`], shared by the routes and tasks.
#[derive(Clone)]
pub(super) struct Shared(Arc<State>);

impl Deref for Shared {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl FromRef<Shared> for ServiceKey {
    fn from_ref(state: &Shared) -> Self {
        state.context.key.clone()
    }
}

impl Shared {
    /// Loads the keys and prepares password hashing. Reads and writes the account store.
    pub async fn load(context: &HostContext, config: &Config) -> Result<Self, UserError> {
        let keys = Keys::load(&*config.accounts, &context.env).await?;
        let passwords = Passwords::new(&context.env, config.password_memory_bytes).await?;
        let state = State {
            keys,
            passwords,
            attempts: Attempts::new(config.cache.clone()),
            presence: config.cache.clone().unwrap_or_else(|| Arc::new(LocalCache::default())),
            tokens: context.env.entropy("tokens"),
            relay: Notify::new(),
            context: context.clone(),
            config: config.clone(),
        };
        state.register_clients().await?;
        Ok(Self(Arc::new(state)))
    }
}

impl State {
    /// The account store.
    pub fn accounts(&self) -> &dyn Accounts {
        &*self.config.accounts
    }

    /// Wall time, milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.context.env.wall_ms()
    }

    /// A new time-ordered id.
    pub fn new_id(&self) -> String {
        self.context.env.new_uuid().to_string()
    }

    /// A secret of 256 random bits in hexadecimal.
    pub fn new_secret(&self) -> String {
        self.tokens.token(32)
    }

    /// The address a request came from: what the gateway says where the fleet's key vouches for it, else the connection's.
    pub fn client_address(&self, headers: &HeaderMap, extensions: &Extensions) -> String {
        let key = headers.get(ServiceKey::HEADER).map(|v| v.as_bytes()).unwrap_or_default();
        let forwarded = headers
            .get("x-forwarded-for")
            .and_then(|v| v.to_str().ok())
            .and_then(|list| list.rsplit(',').next())
            .map(str::trim)
            .filter(|address| !address.is_empty() && address.len() <= 64);
        match forwarded {
            Some(address) if self.context.key.matches(key) => address.to_owned(),
            _ => extensions.get::<PeerAddress>().map_or_else(String::new, |peer| peer.0.ip().to_string()),
        }
    }
}

/// A write of one row.
pub(super) fn write(
    table: &str,
    key: &str,
    expect: archgen_ports::accounts::Expect,
    value: Option<serde_json::Value>,
) -> Write {
    Write { table: table.to_owned(), key: key.to_owned(), expect, value }
}
