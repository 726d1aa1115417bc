//! [`TokenVerifier`]: checks access tokens against the user service's published keys. It issues none and knows no session.
//!
//! Only compact JWS with `alg: EdDSA` over Ed25519 is accepted (RFC 8037), and only the header fields listed in [`Header`]:
//! the algorithm is fixed here and never taken from the token (RFC 8725, section 3.1). Expiry is judged by `Env`'s wall
//! clock, since a library's own clock would be the operating system's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use archgen_env::Env;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use http::Method;
use serde::Deserialize;
use tokio::time::Instant;

use super::Claims;
use crate::host::Peers;

/// Tolerated difference between this host's clock and the issuer's, seconds.
pub const LEEWAY_S: u64 = 30;
/// Longest token that is looked at, bytes.
pub const TOKEN_BYTES_MAX: usize = 4_096;
/// Keys taken from one key set.
const KEYS_MAX: usize = 32;
/// Age at which a key set is fetched again, so that withdrawn keys end, milliseconds.
const REFRESH_MS: u64 = 300_000;
/// Least time between two fetches caused by unknown key ids, milliseconds.
const REFETCH_MS_MIN: u64 = 5_000;
/// Least time between two fetches while no key set was ever fetched, milliseconds.
const FIRST_FETCH_MS_MIN: u64 = 200;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three base64url parts of the expected JSON, or too long.
    #[error("malformed token")]
    Malformed,
    /// Signed by another algorithm than EdDSA, or not signed.
    #[error("token algorithm is not EdDSA")]
    Algorithm,
    /// No published key has the token's key id.
    #[error("token signed by an unknown key")]
    UnknownKey,
    /// The signature is not that of the published key.
    #[error("token signature is wrong")]
    Signature,
    /// Its time is over.
    #[error("token has expired")]
    Expired,
    /// Issued in the future.
    #[error("token is not valid yet")]
    NotYetValid,
    /// Meant for another system.
    #[error("token is for another audience")]
    Audience,
    /// Its session has ended.
    #[error("the token's session has ended")]
    Revoked,
    /// The published keys were never fetched and the user service does not answer.
    #[error("signing keys are not available")]
    Unavailable,
}

/// A token's header. Anything beyond these fields (`crit`, `jwk`, `jku`, `x5u`, …) is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kid: Option<String>,
    kty: String,
    crv: Option<String>,
    x: Option<String>,
}

#[derive(Default)]
struct Keys {
    by_id: BTreeMap<String, VerifyingKey>,
    fetched: Option<Instant>,
    attempted: Option<Instant>,
}

/// Verifies access tokens. Cloning shares the keys.
#[derive(Clone)]
pub struct TokenVerifier {
    env: Env,
    user: Peers,
    audience: Arc<str>,
    keys: Arc<Mutex<Keys>>,
    fetching: Arc<tokio::sync::Mutex<()>>,
}

impl TokenVerifier {
    /// A verifier of tokens meant for `audience` (the system's name), with keys published by `user`.
    pub fn new(env: Env, user: Peers, audience: &str) -> Self {
        Self { env, user, audience: audience.into(), keys: Arc::default(), fetching: Arc::default() }
    }

    /// The claims of a valid token.
    ///
    /// # Errors
    /// See [`TokenError`]; only [`TokenError::Unavailable`] is worth a retry with the same token.
    pub async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let (kid, signed, signature, payload) = take_apart(token)?;
        let key = self.key(&kid).await?;
        key.verify_strict(signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)?;
        self.judge(&claims)?;
        Ok(claims)
    }

    fn judge(&self, claims: &Claims) -> Result<(), TokenError> {
        if claims.aud != *self.audience {
            return Err(TokenError::Audience);
        }
        let now_s = self.env.wall_ms() / 1_000;
        if claims.exp.saturating_add(LEEWAY_S) <= now_s {
            return Err(TokenError::Expired);
        }
        if claims.iat > now_s.saturating_add(LEEWAY_S) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }

    async fn key(&self, kid: &str) -> Result<VerifyingKey, TokenError> {
        let (found, due) = self.look(kid);
        if found.is_ok() && !due {
            return found;
        }
        // One fetch at a time. Who waited looks again, since the fetch may have brought the key; so does who came during a fetch.
        let _turn = self.fetching.lock().await;
        let (found, due) = self.look(kid);
        if !due {
            return found;
        }
        self.lock().attempted = Some(Instant::now());
        match self.fetch().await {
            Some(by_id) => {
                let mut keys = self.lock();
                keys.by_id = by_id;
                keys.fetched = Some(Instant::now());
            }
            None => tracing::warn!(service = self.user.service(), "signing keys could not be fetched"),
        }
        self.look(kid).0
    }

    /// The key, and whether a fetch is called for.
    fn look(&self, kid: &str) -> (Result<VerifyingKey, TokenError>, bool) {
        let keys = self.lock();
        let since = |at: Option<Instant>, ms: u64| at.is_none_or(|at| at.elapsed() >= Duration::from_millis(ms));
        let Some(fetched) = keys.fetched else {
            return (Err(TokenError::Unavailable), since(keys.attempted, FIRST_FETCH_MS_MIN));
        };
        let may_fetch = since(keys.attempted, REFETCH_MS_MIN);
        match keys.by_id.get(kid) {
            Some(key) => (Ok(*key), may_fetch && since(Some(fetched), REFRESH_MS)),
            None => (Err(TokenError::UnknownKey), may_fetch),
        }
    }

    async fn fetch(&self) -> Option<BTreeMap<String, VerifyingKey>> {
        let reply = self.user.call(Method::GET, "/oauth2/jwks", &()).await.ok()?;
        let set: KeySet = reply.status.is_success().then(|| reply.json().ok()).flatten()?;
        Some(set.keys.into_iter().take(KEYS_MAX).filter_map(usable).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_apart(token: &str) -> Result<(String, &str, Signature, Vec<u8>), TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
    if header.alg != "EdDSA" {
        return Err(TokenError::Algorithm);
    }
    let known = |typ: &String| typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt");
    if !header.typ.as_ref().is_none_or(known) {
        return Err(TokenError::Malformed);
    }
    let kid = header.kid.filter(|k| !k.is_empty()).ok_or(TokenError::Malformed)?;
    let signature = Signature::from_slice(&decode(signature)?).map_err(|_| TokenError::Signature)?;
    Ok((kid, signed, signature, decode(payload)?))
}

fn usable(key: Key) -> Option<(String, VerifyingKey)> {
    if key.kty != "OKP" || key.crv.as_deref() != Some("Ed25519") {
        return None;
    }
    let raw: [u8; 32] = URL_SAFE_NO_PAD.decode(key.x?).ok()?.try_into().ok()?;
    Some((key.kid?, VerifyingKey::from_bytes(&raw).ok()?))
}
