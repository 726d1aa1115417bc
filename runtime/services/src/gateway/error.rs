//! How the gateway refuses, as problem details.

use archgen_env::http::Problem;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// Why a request gets no answer from a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GatewayError {
    #[error("no route")]
    NoRoute,
    #[error("path is not plain")]
    Path,
    #[error("upgrade refused")]
    Upgrade,
    #[error("no valid access token")]
    Unauthenticated {
        /// Whether a token was presented.
        presented: bool,
    },
    #[error("signing keys are not available")]
    NoKeys,
    #[error("rate limit")]
    Limited {
        /// Until a retry makes sense.
        retry_after_s: u64,
    },
    #[error("body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("client ended its body early")]
    ClientBody,
    #[error("no answer in time")]
    Timeout,
    #[error("no instance of {0} answers")]
    Unreachable(String),
    #[error("exchange with {0} broke")]
    Broken(String),
}

impl GatewayError {
    fn problem(&self) -> Problem {
        match self {
            Self::NoRoute => Problem::not_found("resource"),
            Self::Path => Problem::invalid("the path is not in its plain form"),
            Self::Upgrade => Problem::new(
                StatusCode::BAD_REQUEST,
                "upgrade_refused",
                "connections are not upgraded here; connect to a realtime address",
            ),
            Self::Unauthenticated { .. } => Problem::unauthenticated(),
            Self::NoKeys => Problem::unavailable("access tokens cannot be checked right now"),
            Self::Limited { retry_after_s } => Problem {
                retry_after_s: Some(*retry_after_s),
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many requests")
            },
            Self::TooLarge(max) => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("the body may have at most {max} bytes"),
            ),
            Self::ClientBody => Problem::invalid("the request body ended early"),
            Self::Timeout => Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "the service did not answer in time"),
            Self::Unreachable(_) => Problem::unavailable("the service cannot be reached right now"),
            Self::Broken(_) => Problem::new(
                StatusCode::BAD_GATEWAY,
                "upstream_failed",
                "the service broke off; the request may or may not have taken effect",
            ),
        }
    }
}

impl IntoResponse for GatewayError {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        if let Self::Unauthenticated { presented } = self {
            // RFC 6750, section 3.
            let challenge = if presented { "Bearer error=\"invalid_token\"" } else { "Bearer" };
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
