//! Claims of an access token (RFC 9068 in spirit).

use serde::{Deserialize, Serialize};

/// An access token's payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the public base URL of the system.
    pub iss: String,
    /// User id.
    pub sub: String,
    /// Audience: the system's name.
    pub aud: String,
    /// Expiry, seconds since the Unix epoch.
    pub exp: u64,
    /// Issue time, seconds since the Unix epoch.
    pub iat: u64,
    /// Token id.
    pub jti: String,
    /// Session id.
    pub sid: String,
    /// Space-separated scopes.
    pub scope: String,
}
