//! [`Backend`]: one real engine, connected as soon as it can be, and the ports that it serves.

use std::sync::Arc;

use archgen_ports::{
    accounts::Accounts, blobs::Blobs, cache::Cache, documents::Documents, events::Events, index::Index, keys::Keys,
    messages::Messages, registry::Registry,
};
use async_trait::async_trait;

use crate::{Fault, Target};

/// The ports of one store; each is there where its engine serves it.
#[derive(Clone, Default)]
pub struct PortSet {
    /// Relational rows.
    pub accounts: Option<Arc<dyn Accounts>>,
    /// Channel logs.
    pub messages: Option<Arc<dyn Messages>>,
    /// Documents.
    pub documents: Option<Arc<dyn Documents>>,
    /// Values that may vanish.
    pub cache: Option<Arc<dyn Cache>>,
    /// Topics.
    pub events: Option<Arc<dyn Events>>,
    /// Full text.
    pub index: Option<Arc<dyn Index>>,
    /// Objects.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// Who is there.
    pub registry: Option<Arc<dyn Registry>>,
    /// Keys, sessions and locks.
    pub keys: Option<Arc<dyn Keys>>,
}

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Product and version: `PostgreSQL 15.18`.
    pub version: String,
}

/// One real engine. Making it connects nothing: each call connects where that is needed, so that a server may come later, go, and
/// come back.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What it is about.
    fn target(&self) -> &Target;

    /// The ports that it serves.
    fn ports(&self) -> PortSet;

    /// Asks the server who it is, with the credentials and in the namespace that every call will use. Bounded in time.
    ///
    /// # Errors
    /// See [`Fault`].
    async fn check(&self) -> Result<Server, Fault>;

    /// Creates what the schema asks for, or verifies that it is there and is this one. Two may call it at once.
    ///
    /// # Errors
    /// See [`Fault`].
    async fn prepare(&self) -> Result<Server, Fault>;
}
