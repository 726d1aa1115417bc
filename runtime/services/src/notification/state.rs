//! What routes and consumer share.

use std::{ops::Deref, sync::Arc};

use archgen_ports::{ServiceKey, documents::Documents};
use axum::extract::FromRef;

use super::{config::Config, messaging::Messaging};
use crate::host::{HostContext, Peers};

/// The service's state.
pub(super) struct State {
    pub key: ServiceKey,
    pub documents: Arc<dyn Documents>,
    pub messaging: Messaging,
    pub realtime: Option<Peers>,
}

/// [`State`], shared.
#[derive(Clone)]
pub(super) struct Shared(Arc<State>);

impl Shared {
    pub fn new(context: &HostContext, config: &Config) -> Self {
        Self(Arc::new(State {
            key: context.key.clone(),
            documents: config.documents.clone(),
            messaging: Messaging::new(config.messaging.clone()),
            realtime: config.realtime.clone(),
        }))
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
