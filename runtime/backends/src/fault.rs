//! [`Fault`]: what is wrong with a real engine, told to the person who runs it. It names the store and the endpoint, never a secret.

use crate::Target;

/// What is wrong with the engine behind one store.
#[derive(Debug, Clone, thiserror::Error)]
#[error("store `{store}` ({product} at {place}): {kind}")]
pub struct Fault {
    /// The store's name in the spec.
    pub store: String,
    /// The product that is expected there.
    pub product: &'static str,
    /// Where.
    pub place: String,
    /// What.
    pub kind: FaultKind,
}

/// What is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Nobody answers, or not now.
    #[error("no answer ({0}); start the server, or correct `endpoint`")]
    Unreachable(String),
    /// User or password are wrong.
    #[error("the server refuses {0}; correct `credentials`, or the secret that they name")]
    Credentials(String),
    /// The user may not do what is needed.
    #[error("the user may not {0}; grant it, or connect as another user")]
    Rights(String),
    /// There is no such database, keyspace or bucket.
    #[error("there is no {0}; create it, or correct `namespace`")]
    Namespace(String),
    /// One side wants encryption, or trusts the other not.
    #[error("encryption: {0}; correct `tls`")]
    Encryption(String),
    /// Another program has the port.
    #[error("what answers there is something else ({0}); correct `endpoint`")]
    Foreign(String),
    /// The server is older than what is needed.
    #[error("the server is version {found}, and {least} or newer is needed")]
    TooOld {
        /// Its version.
        found: String,
        /// The oldest that will do.
        least: &'static str,
    },
    /// The schema there is not the one that the spec makes.
    #[error("{0}")]
    Schema(String),
    /// Anything else that the server says.
    #[error("{0}")]
    Other(String),
}

impl FaultKind {
    /// Whether waiting does not help: somebody must change something.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Self::Unreachable(_) | Self::Other(_))
    }

    /// The fault at this target.
    pub fn at(self, target: &Target) -> Fault {
        Fault { store: target.store.clone(), product: target.engine.product(), place: target.place(), kind: self }
    }
}
