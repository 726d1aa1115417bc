//! What the routes of the file service share.

use std::{ops::Deref, sync::Arc};

use archgen_env::{Env, entropy::Entropy};
use archgen_ports::ServiceKey;
use axum::extract::FromRef;

use super::{Config, grants::Grants};

pub(super) struct Inner {
    pub env: Env,
    pub key: ServiceKey,
    pub config: Config,
    /// Names of objects: random, so that neither a file's name nor its id leads to its bytes.
    pub objects: Entropy,
    pub grants: Grants,
}

/// State of the routes. Cloning shares it.
#[derive(Clone)]
pub(super) struct State(Arc<Inner>);

impl State {
    pub(super) fn new(env: Env, key: ServiceKey, config: Config) -> Self {
        let objects = env.entropy("objects");
        Self(Arc::new(Inner { env, key, config, objects, grants: Grants::default() }))
    }
}

impl Deref for State {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<State> for ServiceKey {
    fn from_ref(state: &State) -> Self {
        state.key.clone()
    }
}
