//! OAuth 2.0 grants (RFC 6749 as narrowed by RFC 9700): checking an authorization request, issuing a code, exchanging it once,
//! knowing a client. Checks of a request are pure.

use archgen_ports::accounts::{Commit, Expect};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{
    error::UserError,
    pkce,
    rows::{AuthCode, Client, Stored, digest, encode},
    session::{ACCESS_S, Beginning, Tokens},
    state::{State, write},
    token::{self, IdentityClaims},
};

/// Life of an authorization code, milliseconds.
pub(super) const CODE_MS: u64 = 60_000;
/// Scopes that can be granted.
pub(super) const SCOPES: [&str; 5] = ["openid", "profile", "email", "offline_access", "chat"];
/// Scope of a request that names none, and of a direct sign-in.
pub(super) const DEFAULT_SCOPE: &str = "openid profile email chat";
/// Length of `state` and `nonce`, bytes.
const OPAQUE_BYTES_MAX: usize = 1_024;
/// Tries of a change that others conflict with.
const TRIES_MAX: usize = 4;

/// Parameters of an authorization request.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Authorize {
    pub response_type: Option<String>,
    pub client_id: Option<String>,
    pub redirect_uri: Option<String>,
    pub scope: Option<String>,
    pub state: Option<String>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
    pub nonce: Option<String>,
}

/// Why an authorization request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The redirect URI cannot be trusted: the user is told, nobody is redirected.
    Page(&'static str),
    /// The client is told by redirection: error code and description.
    Redirect(&'static str, &'static str),
}

/// An authorization request that may be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub client_id: String,
    pub redirect_uri: String,
    pub challenge: String,
    pub scope: String,
    pub nonce: Option<String>,
}

/// Checks a request against the client it names, where there is such a client.
pub(super) fn check(request: &Authorize, client: Option<&Client>) -> Result<Checked, Refusal> {
    let client_id = request.client_id.clone().ok_or(Refusal::Page("The request names no client."))?;
    let client = client.ok_or(Refusal::Page("The application is not registered here."))?;
    let redirect_uri = request.redirect_uri.clone().ok_or(Refusal::Page("The request has no redirect URI."))?;
    if !client.redirect_uris.contains(&redirect_uri) {
        return Err(Refusal::Page("The redirect URI is not registered for this application."));
    }
    let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > OPAQUE_BYTES_MAX);
    if long(&request.state) || long(&request.nonce) {
        return Err(Refusal::Page("The request's state or nonce is too long."));
    }
    if request.response_type.as_deref() != Some("code") {
        return Err(Refusal::Redirect("unsupported_response_type", "response_type must be code"));
    }
    if request.code_challenge_method.as_deref() != Some("S256") {
        return Err(Refusal::Redirect("invalid_request", "PKCE with code_challenge_method S256 is required"));
    }
    let challenge = request.code_challenge.clone().filter(|text| pkce::is_challenge(text));
    let challenge = challenge.ok_or(Refusal::Redirect("invalid_request", "code_challenge is not an S256 challenge"))?;
    let scope = granted_scope(request.scope.as_deref())
        .ok_or(Refusal::Redirect("invalid_scope", "none of the requested scopes is known"))?;
    Ok(Checked { client_id, redirect_uri, challenge, scope, nonce: request.nonce.clone() })
}

/// The known ones of the requested scopes, each once; `None` where none is known.
pub(super) fn granted_scope(requested: Option<&str>) -> Option<String> {
    let requested = requested.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(DEFAULT_SCOPE);
    let granted: Vec<&str> = SCOPES.into_iter().filter(|scope| requested.split(' ').any(|r| r == *scope)).collect();
    (!granted.is_empty()).then(|| granted.join(" "))
}

/// The redirect URI with response parameters added.
pub(super) fn redirect_to(redirect_uri: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{joint}{query}")
}

/// An error of the token, revocation and introspection endpoints (RFC 6749, section 5.2).
#[derive(Debug, Clone)]
pub(super) struct GrantError {
    pub status: StatusCode,
    pub body: GrantErrorBody,
}

/// Its body.
#[derive(Debug, Clone, Serialize)]
pub(super) struct GrantErrorBody {
    pub error: &'static str,
    pub error_description: String,
}

impl GrantError {
    pub fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, body: GrantErrorBody { error, error_description: description.into() } }
    }

    pub fn invalid_grant() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", "the code or token is not valid for this client")
    }

    pub fn invalid_client() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "the client is not known or its secret is wrong")
    }

    pub fn invalid_request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }
}

impl From<UserError> for GrantError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Token | UserError::Credentials => Self::invalid_grant(),
            error if error.may_pass() => {
                tracing::warn!(%error, "a grant was not answered");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again in a moment")
            }
            error => {
                tracing::error!(%error, "a grant failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "something went wrong on our side")
            }
        }
    }
}

/// A client as it presents itself.
pub(super) struct Presented {
    pub id: Option<String>,
    pub secret: Option<String>,
}

impl Presented {
    /// From HTTP Basic credentials (form-encoded, RFC 6749, section 2.3.1) or else from the body.
    pub fn of(headers: &HeaderMap, id: Option<String>, secret: Option<String>) -> Result<Self, GrantError> {
        let Some(authorization) = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()) else {
            return Ok(Self { id, secret });
        };
        let Some((scheme, encoded)) = authorization.split_once(' ') else { return Err(GrantError::invalid_client()) };
        if !scheme.eq_ignore_ascii_case("basic") {
            return Ok(Self { id, secret });
        }
        let text = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(GrantError::invalid_client)?;
        let (user, password) = text.split_once(':').ok_or_else(GrantError::invalid_client)?;
        let decode =
            |part: &str| form_urlencoded::parse(format!("v={part}").as_bytes()).next().map(|(_, v)| v.into_owned());
        Ok(Self { id: decode(user), secret: decode(password) })
    }
}

impl State {
    /// Writes the clients of the configuration where the store has them otherwise.
    pub async fn register_clients(&self) -> Result<(), UserError> {
        for client in &self.config.clients {
            let wanted = encode(&Client {
                name: client.name.clone(),
                redirect_uris: client.redirect_uris.clone(),
                secret_sha256: client.secret_sha256.clone(),
            })?;
            let stored = self.accounts().get("oauth_clients", &client.id).await?;
            let expect = stored.as_ref().map_or(Expect::Absent, |row| Expect::Version(row.version));
            if stored.is_none_or(|row| row.value != wanted) {
                // A conflict means that another instance has just written the same configuration.
                self.accounts().commit(vec![write("oauth_clients", &client.id, expect, Some(wanted))]).await?;
            }
        }
        Ok(())
    }

    /// The client of this id.
    pub async fn client(&self, id: &str) -> Result<Option<Client>, UserError> {
        Ok(self.accounts().get("oauth_clients", id).await?.map(Stored::decode).transpose()?.map(|s: Stored<_>| s.value))
    }

    /// Checks who presents itself as a client: a public one by its id, a confidential one by its secret. `None` where nobody does.
    pub async fn authenticate_client(&self, presented: Presented) -> Result<Option<(String, Client)>, GrantError> {
        let Some(id) = presented.id else { return Ok(None) };
        let client = self.client(&id).await?.ok_or_else(GrantError::invalid_client)?;
        let proved = match (&client.secret_sha256, &presented.secret) {
            (None, None) => true,
            (Some(expected), Some(secret)) => pkce::same(digest(secret).as_bytes(), expected.as_bytes()),
            _ => false,
        };
        if proved { Ok(Some((id, client))) } else { Err(GrantError::invalid_client()) }
    }

    /// A one-time code for this user.
    pub async fn issue_code(&self, user: &str, request: &Checked) -> Result<String, UserError> {
        let (plain, now_ms) = (self.new_secret(), self.now_ms());
        let code = AuthCode {
            client: request.client_id.clone(),
            user: user.to_owned(),
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.challenge.clone(),
            scope: request.scope.clone(),
            nonce: request.nonce.clone(),
            issued_ms: now_ms,
            expires_ms: now_ms + CODE_MS,
            session: None,
        };
        let row = write("auth_codes", &digest(&plain), Expect::Absent, Some(encode(&code)?));
        match self.accounts().commit(vec![row]).await? {
            Commit::Applied => Ok(plain),
            Commit::Conflict { .. } | Commit::Taken { .. } => Err(UserError::Contended),
        }
    }

    /// Exchanges a code for tokens. A second use ends the session that the first one began.
    pub async fn exchange_code(
        &self,
        client: &str,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<Tokens, GrantError> {
        for _ in 0..TRIES_MAX {
            let row = self.accounts().get("auth_codes", &digest(code)).await.map_err(UserError::from)?;
            let stored = row.map(Stored::<AuthCode>::decode).transpose()?.ok_or_else(GrantError::invalid_grant)?;
            let known = &stored.value;
            if known.client != client || known.redirect_uri != redirect_uri {
                return Err(GrantError::invalid_grant());
            }
            if let Some(session) = &known.session {
                tracing::warn!(%session, "an authorization code was used twice; its session ends");
                self.end_session(session, "reuse").await?;
                return Err(GrantError::invalid_grant());
            }
            if self.now_ms() >= known.expires_ms || !pkce::proves(verifier, &known.challenge) {
                return Err(GrantError::invalid_grant());
            }
            let Beginning { id, session, refresh_token, mut writes } =
                self.beginning(&known.user, client, client, &known.scope)?;
            let used = AuthCode { session: Some(id.clone()), ..known.clone() };
            writes.push(write("auth_codes", &stored.key, Expect::Version(stored.version), Some(encode(&used)?)));
            if self.accounts().commit(writes).await.map_err(UserError::from)? == Commit::Applied {
                let mut tokens = self.tokens(&id, &session, refresh_token)?;
                tokens.id_token = self.id_token(known)?;
                return Ok(tokens);
            }
        }
        Err(UserError::Contended.into())
    }

    /// An ID token, where the scope asks for one.
    fn id_token(&self, code: &AuthCode) -> Result<Option<String>, UserError> {
        if !code.scope.split(' ').any(|scope| scope == "openid") {
            return Ok(None);
        }
        let now_s = self.now_ms() / 1_000;
        let claims = IdentityClaims {
            iss: self.config.public_url.clone(),
            sub: code.user.clone(),
            aud: code.client.clone(),
            exp: now_s + ACCESS_S,
            iat: now_s,
            nonce: code.nonce.clone(),
        };
        self.keys.sign(token::IDENTITY, &claims).map(Some)
    }
}
