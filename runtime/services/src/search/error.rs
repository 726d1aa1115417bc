//! How a search fails, and what its client is told.

use archgen_env::http::{ClientError, Problem};
use archgen_ports::StoreError;
use axum::response::{IntoResponse, Response};

use super::query::QueryError;

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SearchError {
    /// The query is not one.
    #[error("invalid query")]
    Query(#[from] QueryError),
    /// Another parameter is wrong.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// The index gave no answer.
    #[error("the index gave no answer")]
    Store(#[from] StoreError),
    /// A peer gave no usable answer: without it nobody knows what the caller may see.
    #[error("a peer gave no answer")]
    Peer(#[from] ClientError),
    /// A peer answered with an unexpected status.
    #[error("{0} answered with status {1}")]
    Status(String, u16),
    /// It took so long that the caller may have lost the rights by which it was filtered.
    #[error("the search took too long")]
    Late,
}

impl IntoResponse for SearchError {
    fn into_response(self) -> Response {
        let problem = match &self {
            Self::Query(error) => Problem::invalid(error.to_string()),
            Self::Invalid(what) => Problem::invalid(*what),
            Self::Store(source) => {
                tracing::warn!(%source, "the index did not answer");
                Problem::unavailable("the index did not answer")
            }
            Self::Peer(source) => {
                tracing::warn!(%source, "a peer did not answer; nothing is shown unfiltered");
                Problem::unavailable("your channels could not be read")
            }
            Self::Late => {
                tracing::warn!("a search took longer than what it was filtered by may be relied on");
                Problem::unavailable("the search took too long")
            }
            Self::Status(_, _) => {
                tracing::warn!(error = %self, "a peer did not answer; nothing is shown unfiltered");
                Problem::unavailable("your channels could not be read")
            }
        };
        problem.into_response()
    }
}
