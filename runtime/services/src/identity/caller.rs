//! Extractors: [`Caller`] is a user that the gateway has authenticated, [`Internal`] is another host of the fleet. Both need
//! the fleet's key, so nobody who reaches a port can pretend to be either.

use archgen_env::http::Problem;
use archgen_ports::{ServiceKey, UserId};
use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, StatusCode, request::Parts};

/// Header that carries the authenticated user's id.
pub const SUBJECT_HEADER: &str = "x-auth-subject";
/// Header that carries the session id.
pub const SESSION_HEADER: &str = "x-auth-session";
/// Header that carries the scopes.
pub const SCOPE_HEADER: &str = "x-auth-scope";

/// An authenticated user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// User.
    pub user: UserId,
    /// Session.
    pub session: String,
    /// Space-separated scopes.
    pub scope: String,
}

/// Another host of the fleet, speaking for itself: a request that the gateway forwarded carries the fleet's key too, but is
/// never one.
#[derive(Debug, Clone, Copy)]
pub struct Internal;

/// Header by which the gateway says for whom it forwards.
const FORWARDED_HEADER: &str = "x-forwarded-for";

fn check_key(headers: &HeaderMap, key: &ServiceKey) -> Result<(), Problem> {
    let presented = headers.get(ServiceKey::HEADER).map(|v| v.as_bytes()).unwrap_or_default();
    if key.matches(presented) { Ok(()) } else { Err(fleet_only()) }
}

fn fleet_only() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "fleet_only", "this address serves the fleet; use the gateway")
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    ServiceKey: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        check_key(&parts.headers, &ServiceKey::from_ref(state))?;
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let user = text(SUBJECT_HEADER);
        if user.is_empty() {
            return Err(Problem::unauthenticated());
        }
        Ok(Self { user: UserId(user), session: text(SESSION_HEADER), scope: text(SCOPE_HEADER) })
    }
}

impl<S> FromRequestParts<S> for Internal
where
    S: Send + Sync,
    ServiceKey: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        check_key(&parts.headers, &ServiceKey::from_ref(state))?;
        if parts.headers.contains_key(FORWARDED_HEADER) {
            return Err(fleet_only());
        }
        Ok(Self)
    }
}
