//! How a request to the user service fails, and what its client is told.

use archgen_env::http::Problem;
use archgen_ports::StoreError;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// Why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum UserError {
    /// The client's mistake.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// A unique field is taken.
    #[error("the {0} is taken")]
    Taken(String),
    /// Unknown user or wrong password: never told apart.
    #[error("wrong email or password")]
    Credentials,
    /// A token that is not valid, or its session ended.
    #[error("invalid token")]
    Token,
    /// Too many attempts; seconds until the next.
    #[error("too many attempts")]
    Attempts(u64),
    /// Too much at once.
    #[error("overloaded")]
    Overloaded,
    /// No such thing.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// Others kept changing the same rows.
    #[error("kept conflicting with other writers")]
    Contended,
    /// The store gave no answer.
    #[error("the store gave no answer")]
    Store(#[from] StoreError),
    /// A row is not what this service wrote.
    #[error("row `{0}` is not readable")]
    Corrupt(String),
    /// Hashing or signing failed: a defect or a parameter out of range.
    #[error("cryptography failed: {0}")]
    Crypto(&'static str),
}

impl UserError {
    /// Whether the same request may succeed a little later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Contended | Self::Overloaded | Self::Attempts(_))
    }

    /// What the client is told; the log has the rest.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Invalid(what) => Problem::invalid(*what),
            Self::Taken(field) => Problem::new(StatusCode::CONFLICT, "taken", format!("this {field} is taken")),
            Self::Credentials => Problem::new(StatusCode::UNAUTHORIZED, "credentials", "wrong email or password"),
            Self::Token => Problem::unauthenticated(),
            Self::Attempts(seconds) => Problem {
                retry_after_s: Some(*seconds),
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "attempts", "too many sign-in attempts; try again later")
            },
            Self::Overloaded => Problem::unavailable("too many sign-ins at once"),
            Self::NotFound(what) => Problem::not_found(what),
            Self::Contended => Problem::unavailable("the account is being changed by another request"),
            Self::Store(_) => Problem::unavailable("the account store did not answer"),
            Self::Corrupt(_) | Self::Crypto(_) => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
            }
        }
    }
}

impl IntoResponse for UserError {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(source) => tracing::warn!(%source, "the account store did not answer"),
            Self::Corrupt(_) | Self::Crypto(_) => tracing::error!(error = %self, "request failed"),
            _ => {}
        }
        self.problem().into_response()
    }
}
