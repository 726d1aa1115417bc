//! How the file service refuses. The client reads a problem; the log reads the cause.

use archgen_env::http::Problem;
use archgen_ports::StoreError;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// Why a request about a file is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("invalid: {0}")]
    Invalid(String),
    #[error("file of {size} bytes is larger than {max}")]
    TooLarge { size: u64, max: u64 },
    #[error("no such file for this caller")]
    NotFound,
    #[error("no such channel for this caller")]
    NoChannel,
    #[error("bytes are not there")]
    NotUploaded,
    #[error("bytes are not those announced: {0}")]
    Mismatch(&'static str),
    #[error("idempotency key was used for another request")]
    KeyReused,
    #[error("file is not ready")]
    NotReady,
    #[error("the same file changed at the same time")]
    Contended,
    #[error("too many downloads begin at once")]
    Busy,
    #[error("store: {0}")]
    Store(#[from] StoreError),
    #[error("messaging gives no answer: {0}")]
    Messaging(String),
    #[error("stored metadata cannot be read: {0}")]
    Corrupt(#[from] serde_json::Error),
}

impl IntoResponse for FileError {
    fn into_response(self) -> Response {
        let conflict = |code, title: &str| Problem::new(StatusCode::CONFLICT, code, title);
        let problem = match &self {
            Self::Invalid(why) => Problem::invalid(why.clone()),
            Self::TooLarge { max, .. } => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("a file may have at most {max} bytes"))
            }
            Self::NotFound => Problem::not_found("file"),
            Self::NoChannel => Problem::not_found("channel"),
            Self::NotUploaded => conflict("not_uploaded", "the file's bytes have not been uploaded"),
            Self::Mismatch(what) => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "mismatch",
                format!("the uploaded bytes have another {what} than announced"),
            ),
            Self::KeyReused => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "this Idempotency-Key belongs to a different request",
            ),
            Self::NotReady => conflict("not_ready", "the file is not ready"),
            Self::Contended | Self::Busy | Self::Store(_) | Self::Messaging(_) => {
                Problem::unavailable("please try again")
            }
            Self::Corrupt(_) => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the file's metadata cannot be read")
            }
        };
        if problem.status >= 500 {
            tracing::warn!(error = %self, "request about a file failed");
        }
        problem.into_response()
    }
}
