//! Configuration and start of the file service.

use std::sync::Arc;

use archgen_env::http::ServerLimits;
use archgen_ports::{blobs::Blobs, documents::Documents, events::Events};

use super::{api, events, state::State};
use crate::host::{HostContext, HostError, Peers};

/// What a file host is told.
#[derive(Clone)]
pub struct Config {
    /// Holds the metadata, in the collection `files`.
    pub documents: Arc<dyn Documents>,
    /// Holds the bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Bucket for the bytes.
    pub bucket: String,
    /// Takes `file.ready` and `file.deleted`; without it nothing is told, for a topology without the topic.
    pub events: Option<Arc<dyn Events>>,
    /// Topic of those events.
    pub topic: String,
    /// Says who is in a channel.
    pub messaging: Peers,
    /// Largest file, bytes.
    pub file_bytes_max: u64,
    /// How long an upload URL is good, milliseconds.
    pub upload_ms_max: u64,
    /// How long a download URL is good, milliseconds: as long may someone who just lost access still read.
    pub download_ms_max: u64,
}

/// Serves until the order to stop.
///
/// # Errors
/// [`HostError::Listen`].
pub async fn run(context: HostContext, config: Config) -> Result<(), HostError> {
    let state = State::new(context.env.clone(), context.key.clone(), config);
    context.env.spawn("file sweep", events::sweep(state.clone()));
    context.serve(api::routes(state), ServerLimits::default()).await
}
