//! How the messaging service refuses. The client reads a problem; the log reads the cause.

use archgen_env::http::Problem;
use archgen_ports::StoreError;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessagingError {
    #[error("invalid: {0}")]
    Invalid(String),
    #[error("no such {0} for this caller")]
    NotFound(&'static str),
    #[error("caller may not: {0}")]
    Forbidden(&'static str),
    #[error("the same rows changed at the same time")]
    Contended,
    #[error("this host does not own the channel")]
    NotOwner,
    #[error("the owner cannot be reached: {0}")]
    Owner(String),
    #[error("slow mode: the author wrote less than {retry_after_s} s ago")]
    TooSoon { retry_after_s: u64 },
    #[error("too much is waiting")]
    Overloaded,
    #[error("the outcome is not known")]
    Unknown,
    #[error("user service: {0}")]
    User(String),
    #[error("store: {0}")]
    Store(#[from] StoreError),
    #[error("a stored row cannot be read: {0}")]
    Corrupt(#[from] serde_json::Error),
    /// The owner's own answer, passed on.
    #[error("owner: {0:?}")]
    Passed(Problem),
}

impl MessagingError {
    /// Whether trying again changes nothing.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::NotFound(_) | Self::Forbidden(_) => true,
            Self::Passed(problem) => problem.status < 500 && problem.status != 429,
            _ => false,
        }
    }

    /// As the client sees it.
    pub(super) fn problem(self) -> Problem {
        match self {
            Self::Invalid(why) => Problem::invalid(why),
            Self::NotFound(what) => Problem::not_found(what),
            Self::Forbidden(what) => Problem::new(StatusCode::FORBIDDEN, "forbidden", what),
            Self::Passed(problem) => problem,
            Self::TooSoon { retry_after_s } => Problem {
                retry_after_s: Some(retry_after_s),
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "slow_mode", "this channel is in slow mode")
            },
            Self::NotOwner => Problem {
                retry_after_s: Some(1),
                ..Problem::new(StatusCode::MISDIRECTED_REQUEST, "not_owner", "another host owns this channel")
            },
            Self::Corrupt(error) => {
                tracing::error!(%error, "a stored row cannot be read");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something is wrong on our side")
            }
            error => {
                tracing::debug!(%error, "unavailable");
                Problem::unavailable("please try again")
            }
        }
    }
}

impl IntoResponse for MessagingError {
    fn into_response(self) -> Response {
        self.problem().into_response()
    }
}
