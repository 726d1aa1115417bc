//! What the notification service is given, and its run.

use std::sync::Arc;

use archgen_env::http::ServerLimits;
use archgen_ports::{documents::Documents, events::Events};

use super::{
    api,
    deliver::{Deliver, GROUP},
    state::Shared,
};
use crate::{
    consumer::Consumer,
    host::{HostContext, HostError, Peers},
};

/// Configuration.
#[derive(Clone)]
pub struct Config {
    /// Inbox and reasons.
    pub documents: Arc<dyn Documents>,
    /// The event log.
    pub events: Arc<dyn Events>,
    /// Topic of messages.
    pub message_topic: String,
    /// Messaging hosts: members, kinds of channels, logs.
    pub messaging: Peers,
    /// Realtime hosts, which push to whoever is connected.
    pub realtime: Option<Peers>,
}

/// Runs the service until the order to stop.
///
/// # Errors
/// [`HostError::Listen`].
pub async fn run(context: HostContext, config: Config) -> Result<(), HostError> {
    let state = Shared::new(&context, &config);
    let handler = Arc::new(Deliver::new(state.clone(), &context));
    let consumer = Consumer::new(&context, config.events.clone(), GROUP, handler);
    let _running = consumer.start(std::slice::from_ref(&config.message_topic));
    context.serve(api::routes(state), ServerLimits::default()).await
}
