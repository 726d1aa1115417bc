//! What routes and consumer share.

use std::{ops::Deref, sync::Arc};

use archgen_ports::{ServiceKey, index::Index};
use axum::extract::FromRef;

use super::{config::Config, departures::Departures};
use crate::host::{HostContext, Peers};

/// The service's state.
pub(super) struct State {
    pub key: ServiceKey,
    pub index: Arc<dyn Index>,
    pub messaging: Peers,
    pub user: Peers,
    pub departures: Departures,
}

/// [`State`], shared.
#[derive(Clone)]
pub(super) struct Shared(Arc<State>);

impl Shared {
    pub fn new(context: &HostContext, config: &Config) -> Self {
        Self::of(State {
            key: context.key.clone(),
            index: config.index.clone(),
            messaging: config.messaging.clone(),
            user: config.user.clone(),
            departures: Departures::default(),
        })
    }

    pub fn of(state: State) -> Self {
        Self(Arc::new(state))
    }
}

impl Deref for Shared {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl FromRef<Shared> for ServiceKey {
    fn from_ref(state: &Shared) -> Self {
        state.key.clone()
    }
}
