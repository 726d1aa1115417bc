//! How a registry request fails. Consul answers errors in plain text, and so does this.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RegistryError {
    #[error("request decode failed: {0}")]
    Malformed(String),
    #[error("Permission denied")]
    Denied,
    #[error("unknown service ID {0:?}; ensure that the service ID is passed, not the service name")]
    UnknownService(String),
    #[error("unknown check ID {0:?}; ensure that the check ID is passed, not the check name")]
    UnknownCheck(String),
    #[error("check {0:?} does not have an associated TTL")]
    NotTtl(String),
    #[error("no path to datacenter {0:?}")]
    Datacenter(String),
    #[error("{what} limit of {max} reached")]
    Full { what: &'static str, max: usize },
    #[error("key-value writes need consensus, which several embedded servers do not have")]
    NoConsensus,
}

impl IntoResponse for RegistryError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Malformed(_) | Self::NotTtl(_) => StatusCode::BAD_REQUEST,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::UnknownService(_) | Self::UnknownCheck(_) => StatusCode::NOT_FOUND,
            Self::Datacenter(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Self::NoConsensus => StatusCode::NOT_IMPLEMENTED,
        };
        (status, self.to_string()).into_response()
    }
}
