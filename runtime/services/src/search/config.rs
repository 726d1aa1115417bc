//! What the search service is given, and its run.

use std::sync::Arc;

use archgen_env::http::ServerLimits;
use archgen_ports::{events::Events, index::Index};

use super::{
    api,
    feed::{Feed, GROUP},
    state::Shared,
};
use crate::{
    consumer::Consumer,
    host::{HostContext, HostError, Peers},
};

/// Configuration.
#[derive(Clone)]
pub struct Config {
    /// The text index.
    pub index: Arc<dyn Index>,
    /// The event log.
    pub events: Arc<dyn Events>,
    /// Topics read: those of messages, users and files that the topology has.
    pub topics: Vec<String>,
    /// Messaging hosts: a user's channels, entries of logs.
    pub messaging: Peers,
    /// User hosts: handles to ids.
    pub user: Peers,
}

/// Runs the service until the order to stop.
///
/// # Errors
/// [`HostError::Listen`].
pub async fn run(context: HostContext, config: Config) -> Result<(), HostError> {
    let state = Shared::new(&context, &config);
    let handler = Arc::new(Feed::new(state.clone(), &context));
    let consumer = Consumer::new(&context, config.events.clone(), GROUP, handler);
    let _running = consumer.start(&config.topics);
    context.serve(api::routes(state), ServerLimits::default()).await
}
