//! Sessions: begun by a sign-in or a code, extended by refresh tokens, ended by sign-out, kick, revocation or a reused token.

use std::time::Duration;

use archgen_ports::accounts::{Commit, Expect, Write};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::{
    error::UserError,
    grant::GrantError,
    outbox::event,
    rotation::{Decision, decide},
    rows::{RefreshToken, Session, Stored, digest, encode},
    state::{State, write},
    token,
};
use crate::{
    gateway,
    host::Peers,
    identity::{Claims, HELD_MS_MAX},
};

/// Life of an access token, seconds.
pub(super) const ACCESS_S: u64 = 600;
/// Life of a refresh token, milliseconds: 30 days.
const REFRESH_MS: u64 = 30 * 86_400_000;
/// Life of a session, however often refreshed, milliseconds: 90 days.
const SESSION_MS: u64 = 90 * 86_400_000;
/// How long an ended session is remembered, seconds: as long as its last access token is accepted, with leeway.
const REMEMBERED_S: u64 = ACCESS_S + 60;
/// Tries of a change that others conflict with.
const TRIES_MAX: usize = 6;

/// What a client gets (RFC 6749, section 5.1).
#[derive(Serialize)]
pub(super) struct Tokens {
    pub access_token: String,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
    pub refresh_token: String,
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// A session about to begin: what to write, and what to give to the client.
pub(super) struct Beginning {
    pub id: String,
    pub session: Session,
    pub refresh_token: String,
    pub writes: Vec<Write>,
}

impl State {
    /// Prepares a session with its first refresh token.
    pub fn beginning(&self, user: &str, client: &str, device: &str, scope: &str) -> Result<Beginning, UserError> {
        let (id, now_ms) = (self.new_id(), self.now_ms());
        let session = Session {
            user: user.to_owned(),
            client: client.to_owned(),
            device: device.chars().filter(|c| !c.is_control()).take(100).collect(),
            scope: scope.to_owned(),
            created_ms: now_ms,
            seen_ms: now_ms,
            expires_ms: now_ms + SESSION_MS,
            revoked: false,
        };
        let (refresh_token, first) = self.successor(&id)?;
        let writes = vec![write("sessions", &id, Expect::Absent, Some(encode(&session)?)), first];
        Ok(Beginning { id, session, refresh_token, writes })
    }

    /// Begins a session and returns its tokens.
    pub async fn begin_session(
        &self,
        user: &str,
        client: &str,
        device: &str,
        scope: &str,
    ) -> Result<Tokens, UserError> {
        let Beginning { id, session, refresh_token, writes } = self.beginning(user, client, device, scope)?;
        match self.accounts().commit(writes).await? {
            Commit::Applied => self.tokens(&id, &session, refresh_token),
            Commit::Conflict { .. } | Commit::Taken { .. } => Err(UserError::Contended),
        }
    }

    /// Tokens of a session.
    pub fn tokens(&self, id: &str, session: &Session, refresh_token: String) -> Result<Tokens, UserError> {
        let now_s = self.now_ms() / 1_000;
        let claims = Claims {
            iss: self.config.public_url.clone(),
            sub: session.user.clone(),
            aud: self.config.audience.clone(),
            exp: now_s + ACCESS_S,
            iat: now_s,
            jti: self.new_id(),
            sid: id.to_owned(),
            scope: session.scope.clone(),
        };
        Ok(Tokens {
            access_token: self.keys.sign(token::ACCESS, &claims)?,
            token_type: "Bearer",
            expires_in: ACCESS_S,
            refresh_token,
            scope: session.scope.clone(),
            id_token: None,
        })
    }

    /// A new refresh token of the family and the write that stores its digest.
    fn successor(&self, family: &str) -> Result<(String, Write), UserError> {
        let plain = self.new_secret();
        let row = RefreshToken {
            family: family.to_owned(),
            expires_ms: self.now_ms() + REFRESH_MS,
            rotated_ms: None,
            rotations: 0,
        };
        let first = write("refresh_tokens", &digest(&plain), Expect::Absent, Some(encode(&row)?));
        Ok((plain, first))
    }

    /// Exchanges a refresh token for its successor. `client`, where given, must be the one it was issued to. A reused token ends the
    /// session.
    ///
    /// # Errors
    /// [`UserError::Token`] for a token that cannot be exchanged.
    pub async fn refresh(&self, client: Option<&str>, presented: &str) -> Result<Tokens, UserError> {
        for _ in 0..TRIES_MAX {
            let Some((token, session)) = self.refresh_rows(presented).await? else { return Err(UserError::Token) };
            if client.is_some_and(|client| client != session.value.client) {
                return Err(UserError::Token);
            }
            let now_ms = self.now_ms();
            match decide(&token.value, &session.value, now_ms) {
                Decision::Refuse => return Err(UserError::Token),
                Decision::Reused => {
                    tracing::warn!(session = %session.key, "a refresh token was used twice; its session ends");
                    self.end_session(&session.key, "reuse").await?;
                    return Err(UserError::Token);
                }
                Decision::Rotate => {}
            }
            let (plain, next) = self.successor(&session.key)?;
            let used = RefreshToken {
                rotated_ms: token.value.rotated_ms.or(Some(now_ms)),
                rotations: token.value.rotations + 1,
                ..token.value
            };
            let seen = Session { seen_ms: now_ms, ..session.value };
            // The session's version is a condition, so that a revocation and a rotation never both succeed.
            let writes = vec![
                write("refresh_tokens", &token.key, Expect::Version(token.version), Some(encode(&used)?)),
                next,
                write("sessions", &session.key, Expect::Version(session.version), Some(encode(&seen)?)),
            ];
            if self.accounts().commit(writes).await? == Commit::Applied {
                return self.tokens(&session.key, &seen, plain);
            }
        }
        Err(UserError::Contended)
    }

    /// [`State::refresh`] for the token endpoint. A client that does not name itself is taken to be the one the token was issued to,
    /// provided that this is a public one: a confidential client proves who it is.
    pub async fn refresh_for(&self, client: Option<String>, presented: &str) -> Result<Tokens, GrantError> {
        if client.is_none() {
            let (_, session) = self.refresh_rows(presented).await?.ok_or_else(GrantError::invalid_grant)?;
            let owner = self.client(&session.value.client).await?;
            if owner.is_none_or(|owner| owner.secret_sha256.is_some()) {
                return Err(GrantError::invalid_client());
            }
        }
        Ok(self.refresh(client.as_deref(), presented).await?)
    }

    /// The rows of a presented refresh token: itself and its session.
    pub async fn refresh_rows(
        &self,
        presented: &str,
    ) -> Result<Option<(Stored<RefreshToken>, Stored<Session>)>, UserError> {
        let Some(row) = self.accounts().get("refresh_tokens", &digest(presented)).await? else { return Ok(None) };
        let token = Stored::<RefreshToken>::decode(row)?;
        Ok(self.session(&token.value.family).await?.map(|session| (token, session)))
    }

    /// The session of this id.
    pub async fn session(&self, id: &str) -> Result<Option<Stored<Session>>, UserError> {
        self.accounts().get("sessions", id).await?.map(Stored::decode).transpose()
    }

    /// The claims of an access token that is valid now and whose session lives.
    pub async fn live_claims(&self, access_token: &str) -> Result<Option<Claims>, UserError> {
        let Some(claims) = self.keys.verify::<Claims>(token::ACCESS, access_token) else { return Ok(None) };
        let valid = claims.aud == self.config.audience
            && claims.iss == self.config.public_url
            && self.now_ms() / 1_000 < claims.exp;
        if !valid {
            return Ok(None);
        }
        Ok(self.session_lives(&claims.sid).await?.then_some(claims))
    }

    /// Whether a session has neither ended nor run out.
    pub async fn session_lives(&self, id: &str) -> Result<bool, UserError> {
        let session = self.session(id).await?;
        Ok(session.is_some_and(|s| !s.value.revoked && self.now_ms() < s.value.expires_ms))
    }

    /// Ends a session: no refresh succeeds afterwards, and realtime hosts are told to close its sockets. Ending it twice is fine.
    pub async fn end_session(&self, id: &str, reason: &str) -> Result<(), UserError> {
        for _ in 0..TRIES_MAX {
            let Some(session) = self.session(id).await? else { return Ok(()) };
            let user = session.value.user.clone();
            if session.value.revoked {
                return self.spread_end(&user, id, reason).await;
            }
            let ended = Session { revoked: true, ..session.value };
            let writes = vec![
                write("sessions", id, Expect::Version(session.version), Some(encode(&ended)?)),
                event(self, "session.revoked", &user, &user, json!({"user": user, "session": id}))?,
            ];
            if self.accounts().commit(writes).await? == Commit::Applied {
                self.relay.notify_one();
                return self.spread_end(&user, id, reason).await;
            }
        }
        Err(UserError::Contended)
    }

    /// Tells those who hold something of the session, and returns when each has confirmed or can hold it no longer.
    ///
    /// # Errors
    /// [`UserError::Store`] where the cache, which those ask who were not there to be told, cannot be told either.
    async fn spread_end(&self, user: &str, id: &str, reason: &str) -> Result<(), UserError> {
        if let Some(cache) = &self.config.cache {
            cache.set(&format!("revoked:{id}"), Bytes::from_static(b"1"), REMEMBERED_S * 1_000).await?;
        }
        let within = Duration::from_millis(HELD_MS_MAX);
        let body = json!({"user": user, "session": id, "reason": reason});
        let tell = |peers: Option<&Peers>, path: &'static str| {
            let (peers, body) = (peers.cloned(), &body);
            async move {
                match peers {
                    Some(peers) => peers.confirm_all(path, body, within).await,
                    None => Vec::new(),
                }
            }
        };
        let gateways = tell(self.config.gateways.as_ref(), gateway::REVOKED);
        let (gateways, realtime) = tokio::join!(gateways, tell(self.config.realtime.as_ref(), "/internal/kick"));
        if !gateways.is_empty() || !realtime.is_empty() {
            tracing::warn!(?gateways, ?realtime, "hosts did not confirm the end of a session; they look anew by now");
        }
        Ok(())
    }
}
