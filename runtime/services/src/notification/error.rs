//! How a request to the notification service fails, and what its client is told.

use archgen_env::http::{ClientError, Problem};
use archgen_ports::StoreError;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotificationError {
    /// The client's mistake.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// No such event, or not the caller's to know of.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The store gave no answer.
    #[error("the store gave no answer")]
    Store(#[from] StoreError),
    /// Messaging gave no usable answer.
    #[error("messaging gave no answer")]
    Messaging(#[from] ClientError),
    /// Messaging answered with an unexpected status.
    #[error("messaging answered with status {0}")]
    Status(u16),
    /// A row is not what this service wrote.
    #[error("row `{0}` is not readable")]
    Corrupt(String),
}

impl IntoResponse for NotificationError {
    fn into_response(self) -> Response {
        let problem = match &self {
            Self::Invalid(what) => Problem::invalid(*what),
            Self::NotFound(what) => Problem::not_found(what),
            Self::Store(source) => {
                tracing::warn!(%source, "the document store did not answer");
                Problem::unavailable("the inbox did not answer")
            }
            Self::Messaging(_) | Self::Status(_) => {
                tracing::warn!(error = %self, "messaging did not answer");
                Problem::unavailable("the channels did not answer")
            }
            Self::Corrupt(_) => {
                tracing::error!(error = %self, "request failed");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
            }
        };
        problem.into_response()
    }
}
