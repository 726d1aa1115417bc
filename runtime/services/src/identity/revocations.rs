//! [`Revocations`]: sessions that have ended while their access tokens have not. The user service tells every gateway and realtime
//! host and waits for them; one that missed it (it was not there, or cut off) finds out when it looks at a token anew, which it
//! does at each connection, or within [`HELD_MS_MAX`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use archgen_ports::cache::Cache;
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::TokenError;
use crate::host::Peers;

/// Longest time that a verdict on a token is held, milliseconds: as long as the user service waits for gateways that do not
/// confirm the end of a session.
pub const HELD_MS_MAX: u64 = 5_000;
/// How long an ended session is remembered, milliseconds: longer than any access token lives, with leeway.
const ENDED_MS: u64 = 700_000;
/// Ended sessions remembered; one more is not confirmed.
const SESSIONS_MAX: usize = 200_000;
/// Wait for the cache, milliseconds.
const CACHE_MS_MAX: u64 = 300;
/// Wait for the user service, milliseconds.
const USER_MS_MAX: u64 = 1_500;

/// What is known of ended sessions. Cloning shares it.
#[derive(Clone)]
pub struct Revocations {
    cache: Option<Arc<dyn Cache>>,
    user: Option<Peers>,
    ended: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Revocations {
    /// Asks the cache, and where that does not answer the user service; without both every session lives until it is said to end.
    pub fn new(cache: Option<Arc<dyn Cache>>, user: Option<Peers>) -> Self {
        Self { cache, user, ended: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a session has ended; `false` where there is no room, so that nobody relies on it.
    pub fn end(&self, session: String, now: Instant) -> bool {
        let mut ended = self.lock();
        if ended.len() >= SESSIONS_MAX {
            ended.retain(|_, until| *until > now);
        }
        let fits = ended.len() < SESSIONS_MAX || ended.contains_key(&session);
        if fits {
            ended.insert(session, now + Duration::from_millis(ENDED_MS));
        }
        fits
    }

    /// Whether this gateway was told that the session has ended.
    pub fn has_ended(&self, session: &str) -> bool {
        self.lock().contains_key(session)
    }

    /// Whether a session lives, as the fleet knows.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`] where nobody says.
    pub async fn lives(&self, session: &str) -> Result<bool, TokenError> {
        if self.has_ended(session) {
            return Ok(false);
        }
        if self.cache.is_none() && self.user.is_none() {
            return Ok(true);
        }
        if let Some(cache) = &self.cache
            && let Ok(Ok(found)) =
                timeout(Duration::from_millis(CACHE_MS_MAX), cache.get(&format!("revoked:{session}"))).await
        {
            return Ok(found.is_none());
        }
        #[derive(Deserialize)]
        struct Session {
            live: bool,
        }
        let user = self.user.as_ref().ok_or(TokenError::Unavailable)?;
        // A session's id comes from a signed token: it is one of the user service's own.
        let path = format!("/internal/sessions/{session}");
        let call = user.call(Method::GET, &path, &Value::Null);
        let reply = timeout(Duration::from_millis(USER_MS_MAX), call).await.ok().and_then(Result::ok);
        let said = reply.and_then(|reply| reply.json::<Session>().ok());
        said.map(|session| session.live).ok_or(TokenError::Unavailable)
    }
}
