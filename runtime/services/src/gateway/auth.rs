//! Who calls: the bearer token's claims, remembered for as long as the spec allows.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use archgen_spec::topology::GatewayAuth;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::error::GatewayError;
use crate::identity::{HELD_MS_MAX, Revocations, TokenError, TokenVerifier};

/// Tokens remembered.
const TOKENS_MAX: usize = 10_000;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub subject: String,
    pub session: String,
    pub scope: String,
}

type Verdict = Result<Identity, TokenError>;

/// Checks bearer tokens.
pub(super) struct Authenticator {
    verifier: Option<TokenVerifier>,
    pub(super) revocations: Revocations,
    accepted: Duration,
    denied: Duration,
    /// By the token's digest, so that no token lies in memory: verdict, and until when it is trusted.
    known: Mutex<BTreeMap<[u8; 32], (Verdict, Instant)>>,
}

impl Authenticator {
    /// An authenticator whose verdicts hold as long as `rules` say; without rules each token is checked each time.
    pub(super) fn new(verifier: Option<TokenVerifier>, revocations: Revocations, rules: Option<&GatewayAuth>) -> Self {
        let (accepted, denied) = rules.map_or((Duration::ZERO, Duration::ZERO), |r| (r.cache, r.cache_denied));
        let accepted = accepted.min(Duration::from_millis(HELD_MS_MAX));
        Self { verifier, revocations, accepted, denied, known: Mutex::default() }
    }

    /// The caller of a request. Where the route asks for none, a missing or refused token is a caller unknown.
    pub(super) async fn identify(&self, headers: &HeaderMap, required: bool) -> Result<Option<Identity>, GatewayError> {
        let token = bearer(headers);
        let verdict = match (token, &self.verifier) {
            (None, _) if required => return Err(GatewayError::Unauthenticated { presented: false }),
            (None, _) => return Ok(None),
            (Some(_), None) => Err(TokenError::Unavailable),
            (Some(token), Some(verifier)) => self.verdict(verifier, token).await,
        };
        match verdict {
            Ok(identity) => Ok(Some(identity)),
            Err(_) if !required => Ok(None),
            Err(TokenError::Unavailable) => Err(GatewayError::NoKeys),
            Err(_) => Err(GatewayError::Unauthenticated { presented: true }),
        }
    }

    async fn verdict(&self, verifier: &TokenVerifier, token: &str) -> Verdict {
        let (digest, now) = (<[u8; 32]>::from(Sha256::digest(token.as_bytes())), Instant::now());
        if let Some((verdict, until)) = self.lock().get(&digest)
            && *until > now
        {
            return match verdict {
                Ok(identity) if self.revocations.has_ended(&identity.session) => Err(TokenError::Revoked),
                verdict => verdict.clone(),
            };
        }
        let claims = match verifier.verify(token).await {
            Ok(claims) => match self.revocations.lives(&claims.sid).await {
                Ok(true) => Ok(claims),
                Ok(false) => Err(TokenError::Revoked),
                Err(error) => Err(error),
            },
            refused => refused,
        };
        let (verdict, hold) = match claims {
            Ok(c) => (Ok(Identity { subject: c.sub, session: c.sid, scope: c.scope }), self.accepted),
            Err(TokenError::Unavailable) => return Err(TokenError::Unavailable),
            Err(error) => (Err(error), self.denied),
        };
        if !hold.is_zero() {
            let mut known = self.lock();
            if known.len() >= TOKENS_MAX {
                known.retain(|_, (_, until)| *until > now);
            }
            if known.len() < TOKENS_MAX {
                known.insert(digest, (verdict.clone(), now + hold));
            }
        }
        verdict
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], (Verdict, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bearer token, where exactly one `Authorization` header holds one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (one, more) = (all.next()?, all.next());
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (more.is_none() && scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
