//! Routes under `/oauth2` and `/.well-known`: authorization, token, revocation, introspection, keys, user info, discovery.

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Query, Request, State as Of},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    error::UserError,
    grant::{Authorize, Checked, GrantError, Presented, Refusal, SCOPES, check, redirect_to},
    page,
    state::Shared,
};
use crate::identity::{Internal, SCOPE_HEADER, SESSION_HEADER, SUBJECT_HEADER};

/// Size of a form.
const BODY_BYTES_MAX: usize = 16 << 10;

/// The routes.
pub(super) fn routes(state: Shared) -> Router {
    Router::new()
        .route("/oauth2/authorize", get(show_form).post(submit_form))
        .route("/oauth2/token", post(token))
        .route("/oauth2/revoke", post(revoke))
        .route("/oauth2/introspect", get(own_token).post(introspect))
        .route("/oauth2/jwks", get(jwks))
        .route("/oauth2/userinfo", get(userinfo).post(userinfo))
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/oauth-authorization-server", get(discovery))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

impl IntoResponse for GrantError {
    fn into_response(self) -> Response {
        let mut response = no_store((self.status, Json(self.body)).into_response());
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oauth2\""));
        } else if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A form body whose refusal is an OAuth error. A repeated parameter is refused too (RFC 6749, section 3.1).
struct Fields<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Fields<T> {
    type Rejection = GrantError;

    async fn from_request(request: Request, state: &S) -> Result<Self, GrantError> {
        match Form::<T>::from_request(request, state).await {
            Ok(Form(fields)) => Ok(Self(fields)),
            Err(_) => Err(GrantError::invalid_request("the body must be a form with each parameter once")),
        }
    }
}

#[derive(Deserialize)]
struct SignIn {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(flatten)]
    request: Authorize,
}

/// The request checked, with its client's name; or the answer that refuses it.
async fn checked(state: &Shared, request: &Authorize) -> Result<(Checked, String), Response> {
    let client = match &request.client_id {
        Some(id) => state.client(id).await.map_err(IntoResponse::into_response)?,
        None => None,
    };
    match check(request, client.as_ref()) {
        Ok(checked) => Ok((checked, client.map(|client| client.name).unwrap_or_default())),
        Err(Refusal::Page(text)) => Err(page::refusal(text)),
        Err(Refusal::Redirect(error, description)) => {
            let to = request.redirect_uri.as_deref().unwrap_or_default();
            Err(redirect(state, request, to, &[("error", error), ("error_description", description)]))
        }
    }
}

/// A redirection to the client, with `state` and `iss` (RFC 9207) added.
fn redirect(state: &Shared, request: &Authorize, to: &str, parameters: &[(&str, &str)]) -> Response {
    let mut parameters = parameters.to_vec();
    parameters.extend(request.state.as_deref().map(|text| ("state", text)));
    parameters.push(("iss", &state.config.public_url));
    match HeaderValue::from_str(&redirect_to(to, &parameters)) {
        Ok(location) => no_store((StatusCode::FOUND, [(header::LOCATION, location)]).into_response()),
        Err(_) => page::refusal("The redirect URI cannot be used."),
    }
}

fn form(state: StatusCode, request: &Authorize, client: &str, email: &str, alert: Option<&str>) -> Response {
    let fields = [
        ("response_type", &request.response_type),
        ("client_id", &request.client_id),
        ("redirect_uri", &request.redirect_uri),
        ("scope", &request.scope),
        ("state", &request.state),
        ("code_challenge", &request.code_challenge),
        ("code_challenge_method", &request.code_challenge_method),
        ("nonce", &request.nonce),
    ];
    let fields: Vec<(&str, &str)> =
        fields.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value))).collect();
    let target = request.redirect_uri.as_deref().and_then(page::form_target);
    page::sign_in(state, client, &fields, email, alert, target.as_deref())
}

async fn show_form(
    Of(state): Of<Shared>,
    request: Result<Query<Authorize>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Ok(Query(request)) = request else { return page::refusal("The link has a parameter twice.") };
    match checked(&state, &request).await {
        Ok((_, client)) => form(StatusCode::OK, &request, &client, "", None),
        Err(response) => response,
    }
}

/// A submitted form. The authorization request comes in the form's hidden fields or, where those are missing, in the query.
async fn submit_form(Of(state): Of<Shared>, request: Request) -> Response {
    let (headers, extensions) = (request.headers().clone(), request.extensions().clone());
    let query = Query::<Authorize>::try_from_uri(request.uri()).map(|Query(query)| query);
    let Ok(Form(submitted)) = Form::<SignIn>::from_request(request, &()).await else {
        return page::refusal("The form could not be read.");
    };
    let request = match query {
        Ok(query) if submitted.request.client_id.is_none() => query,
        _ => submitted.request,
    };
    let (granted, client) = match checked(&state, &request).await {
        Ok(checked) => checked,
        Err(response) => return response,
    };
    let address = state.client_address(&headers, &extensions);
    let outcome = match state.authenticate(&submitted.email, &submitted.password, &address).await {
        Ok(user) => state.issue_code(&user.key, &granted).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(code) => redirect(&state, &request, &granted.redirect_uri, &[("code", &code)]),
        Err(error) => {
            let problem = error.problem();
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            form(status, &request, &client, &submitted.email, Some(&format!("{}.", capitalised(&problem.title))))
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

async fn token(
    Of(state): Of<Shared>,
    headers: HeaderMap,
    Fields(request): Fields<TokenRequest>,
) -> Result<Response, GrantError> {
    let presented = Presented::of(&headers, request.client_id, request.client_secret)?;
    let client = state.authenticate_client(presented).await?.map(|(id, _)| id);
    let tokens = match request.grant_type.as_deref() {
        Some("authorization_code") => {
            let client = client.ok_or_else(GrantError::invalid_client)?;
            let missing = || GrantError::invalid_request("code, redirect_uri and code_verifier are required");
            let code = request.code.ok_or_else(missing)?;
            let redirect_uri = request.redirect_uri.ok_or_else(missing)?;
            let verifier = request.code_verifier.ok_or_else(missing)?;
            state.exchange_code(&client, &code, &redirect_uri, &verifier).await?
        }
        Some("refresh_token") => {
            let presented = request.refresh_token;
            let presented = presented.ok_or_else(|| GrantError::invalid_request("refresh_token is required"))?;
            state.refresh_for(client, &presented).await?
        }
        Some(_) => {
            let description = "only authorization_code and refresh_token are supported";
            return Err(GrantError::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description));
        }
        None => return Err(GrantError::invalid_request("grant_type is required")),
    };
    Ok(no_store(Json(tokens).into_response()))
}

#[derive(Deserialize)]
struct TokenReference {
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Ends the session of a refresh or access token. An unknown token is answered as a known one (RFC 7009, section 2.2).
async fn revoke(
    Of(state): Of<Shared>,
    headers: HeaderMap,
    Fields(request): Fields<TokenReference>,
) -> Result<Response, GrantError> {
    let presented = Presented::of(&headers, request.client_id, request.client_secret)?;
    let client = state.authenticate_client(presented).await?.map(|(id, _)| id);
    let token = request.token.ok_or_else(|| GrantError::invalid_request("token is required"))?;
    let session = match state.refresh_rows(&token).await? {
        Some((_, session)) => Some(session),
        None => match state.live_claims(&token).await? {
            Some(claims) => state.session(&claims.sid).await?,
            None => None,
        },
    };
    if let Some(session) = session
        && client.is_none_or(|client| client == session.value.client)
    {
        state.end_session(&session.key, "revoked").await?;
    }
    Ok(no_store(StatusCode::OK.into_response()))
}

/// Introspection (RFC 7662) for hosts of the fleet and confidential clients.
async fn introspect(
    Of(state): Of<Shared>,
    internal: Result<Internal, archgen_env::http::Problem>,
    headers: HeaderMap,
    Fields(request): Fields<TokenReference>,
) -> Result<Response, GrantError> {
    if internal.is_err() {
        let presented = Presented::of(&headers, request.client_id, request.client_secret)?;
        match state.authenticate_client(presented).await? {
            Some((_, client)) if client.secret_sha256.is_some() => {}
            _ => return Err(GrantError::invalid_client()),
        }
    }
    let token = request.token.ok_or_else(|| GrantError::invalid_request("token is required"))?;
    if let Some(claims) = state.live_claims(&token).await? {
        let body = json!({"active": true, "token_type": "Bearer", "scope": claims.scope, "sub": claims.sub,
            "aud": claims.aud, "iss": claims.iss, "exp": claims.exp, "iat": claims.iat, "jti": claims.jti,
            "sid": claims.sid});
        return Ok(no_store(Json(body).into_response()));
    }
    let now_ms = state.now_ms();
    let body = match state.refresh_rows(&token).await? {
        Some((token, session)) if refreshable(&token.value, &session.value, now_ms) => json!({"active": true,
            "token_type": "refresh_token", "scope": session.value.scope, "client_id": session.value.client,
            "sub": session.value.user, "exp": token.value.expires_ms / 1_000, "iss": state.config.public_url,
            "sid": session.key}),
        _ => json!({"active": false}),
    };
    Ok(no_store(Json(body).into_response()))
}

fn refreshable(token: &super::rows::RefreshToken, session: &super::rows::Session, now_ms: u64) -> bool {
    token.rotated_ms.is_none() && super::rotation::decide(token, session, now_ms) == super::rotation::Decision::Rotate
}

/// The token of a bearer.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn refused_bearer() -> Response {
    let mut response = no_store(UserError::Token.into_response());
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// The target of a proxy's `auth_request`: whether the bearer's own token is valid, and whose it is, in headers. Who presents a
/// token learns nothing that is not in it, so no credential is asked.
async fn own_token(Of(state): Of<Shared>, headers: HeaderMap) -> Response {
    let claims = match bearer(&headers) {
        Some(token) => state.live_claims(token).await,
        None => Ok(None),
    };
    match claims {
        Ok(Some(claims)) => {
            let named = [(SUBJECT_HEADER, claims.sub), (SESSION_HEADER, claims.sid), (SCOPE_HEADER, claims.scope)];
            let mut response = no_store(StatusCode::OK.into_response());
            for (name, value) in named {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Ok(None) => refused_bearer(),
        Err(error) => error.into_response(),
    }
}

async fn userinfo(Of(state): Of<Shared>, headers: HeaderMap) -> Result<Response, UserError> {
    let Some(token) = bearer(&headers) else { return Ok(refused_bearer()) };
    let Some(claims) = state.live_claims(token).await? else { return Ok(refused_bearer()) };
    let Some(user) = state.user(&claims.sub).await? else { return Ok(refused_bearer()) };
    let has = |wanted: &str| claims.scope.split(' ').any(|scope| scope == wanted);
    let mut body = json!({"sub": user.key});
    if has("profile") {
        body["name"] = json!(user.value.name);
        body["preferred_username"] = json!(user.value.handle);
    }
    if has("email") {
        body["email"] = json!(user.value.email);
        // No message was ever sent to it.
        body["email_verified"] = json!(false);
    }
    Ok(no_store(Json(body).into_response()))
}

async fn jwks(Of(state): Of<Shared>) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(state.keys.jwks())).into_response()
}

/// Metadata of RFC 8414 and OpenID Connect Discovery, one document for both.
async fn discovery(Of(state): Of<Shared>) -> Response {
    let base = &state.config.public_url;
    let body = json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/oauth2/authorize"),
        "token_endpoint": format!("{base}/oauth2/token"),
        "revocation_endpoint": format!("{base}/oauth2/revoke"),
        "introspection_endpoint": format!("{base}/oauth2/introspect"),
        "userinfo_endpoint": format!("{base}/oauth2/userinfo"),
        "jwks_uri": format!("{base}/oauth2/jwks"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified"],
        "authorization_response_iss_parameter_supported": true,
    });
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(body)).into_response()
}
