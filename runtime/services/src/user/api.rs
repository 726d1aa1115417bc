//! Routes under `/api/v1` and `/internal`, and their wire shapes.

use archgen_env::http::Problem;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State as Of},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    account::NewUser,
    config::WEB_CLIENT,
    error::UserError,
    grant::DEFAULT_SCOPE,
    oauth::bearer,
    presence::Report,
    rows::{Session, Stored, User},
    state::Shared,
};
use crate::{
    host::{Parameters, Payload},
    identity::{Caller, Internal},
};

/// Size of a JSON body.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Items of one list, and ids of one look-up.
const ITEMS_MAX: usize = 200;
/// Presence reads under way at once.
const READS_AT_ONCE: usize = 16;
/// Users of one presence report.
const REPORTS_MAX: usize = 50;

/// The routes.
pub(super) fn routes(state: Shared) -> Router {
    Router::new()
        .route("/api/v1/auth/register", post(register))
        .route("/api/v1/auth/login", post(login))
        .route("/api/v1/auth/logout", post(logout))
        .route("/api/v1/me", get(me).patch(change_me))
        .route("/api/v1/me/sessions", get(sessions))
        .route("/api/v1/me/sessions/{id}", delete(end_session))
        .route("/api/v1/users", get(users))
        .route("/api/v1/users/{id}", get(user))
        .route("/api/v1/presence/query", post(presence))
        .route("/internal/users/lookup", post(lookup))
        .route("/internal/presence", post(report_presence))
        .route("/internal/sessions/{id}", get(session_lives))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

/// What anybody in the system sees of a user.
#[derive(Serialize)]
struct PublicUser {
    id: String,
    handle: String,
    name: String,
}

/// What a user sees of themselves, and a host of the fleet of anybody.
#[derive(Serialize)]
struct OwnUser {
    id: String,
    email: String,
    handle: String,
    name: String,
    created_ms: u64,
}

impl From<Stored<User>> for PublicUser {
    fn from(user: Stored<User>) -> Self {
        Self { id: user.key, handle: user.value.handle, name: user.value.name }
    }
}

impl From<Stored<User>> for OwnUser {
    fn from(user: Stored<User>) -> Self {
        let User { email, handle, name, created_ms, .. } = user.value;
        Self { id: user.key, email, handle, name, created_ms }
    }
}

#[derive(Serialize)]
struct List<T> {
    items: Vec<T>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Register {
    email: String,
    handle: String,
    name: String,
    password: String,
}

async fn register(Of(state): Of<Shared>, Payload(new): Payload<Register>) -> Result<Response, UserError> {
    let new = NewUser { email: &new.email, handle: &new.handle, name: &new.name, password: &new.password };
    let user = state.register(new).await?;
    Ok((StatusCode::CREATED, Json(OwnUser::from(user))).into_response())
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
    #[serde(default)]
    device: String,
}

async fn login(Of(state): Of<Shared>, request: Request) -> Result<Response, Response> {
    let address = state.client_address(request.headers(), request.extensions());
    let Payload(login) = Payload::<Login>::from_request(request, &()).await.map_err(IntoResponse::into_response)?;
    let signed_in = async {
        let user = state.authenticate(&login.email, &login.password, &address).await?;
        state.begin_session(&user.key, WEB_CLIENT, &login.device, DEFAULT_SCOPE).await
    };
    let tokens = signed_in.await.map_err(|error: UserError| error.into_response())?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(tokens)).into_response())
}

/// Ends the session of whom the gateway introduces or, on a route that it does not guard, of the bearer.
async fn logout(
    Of(state): Of<Shared>,
    caller: Result<Caller, Problem>,
    headers: HeaderMap,
) -> Result<StatusCode, UserError> {
    let (user, session) = match (caller, bearer(&headers)) {
        (Ok(caller), _) => (caller.user.0, caller.session),
        (Err(_), Some(token)) => {
            let claims = state.live_claims(token).await?.ok_or(UserError::Token)?;
            (claims.sub, claims.sid)
        }
        (Err(_), None) => return Err(UserError::Token),
    };
    match state.session(&session).await? {
        Some(stored) if stored.value.user == user => state.end_session(&session, "logout").await?,
        _ => return Err(UserError::Invalid("the token belongs to no session")),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn me(Of(state): Of<Shared>, caller: Caller) -> Result<Json<OwnUser>, UserError> {
    let user = state.user(caller.user.as_str()).await?.ok_or(UserError::NotFound("user"))?;
    Ok(Json(user.into()))
}

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    handle: Option<String>,
}

async fn change_me(
    Of(state): Of<Shared>,
    caller: Caller,
    Payload(change): Payload<Change>,
) -> Result<Json<OwnUser>, UserError> {
    let changed = state.update_profile(caller.user.as_str(), change.name.as_deref(), change.handle.as_deref());
    Ok(Json(changed.await?.into()))
}

#[derive(Serialize)]
struct SessionView {
    id: String,
    client: String,
    device: String,
    created_ms: u64,
    seen_ms: u64,
    /// Whether the request itself came from this session.
    current: bool,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    prefix: String,
    cursor: Option<String>,
    limit: Option<usize>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(50).clamp(1, ITEMS_MAX)
    }
}

async fn sessions(
    Of(state): Of<Shared>,
    caller: Caller,
    Parameters(page): Parameters<Page>,
) -> Result<Json<List<SessionView>>, UserError> {
    let (user, now_ms) = (caller.user.as_str(), state.now_ms());
    let rows = state.accounts().find("sessions", "user", user, page.cursor.as_deref(), page.limit()).await?;
    let next = if rows.len() == page.limit() { rows.last().map(|row| row.key.clone()) } else { None };
    let mut items = Vec::new();
    for row in rows {
        let Stored { key: id, value: session, .. } = Stored::<Session>::decode(row)?;
        if !session.revoked && now_ms < session.expires_ms {
            let current = id == caller.session;
            let Session { client, device, created_ms, seen_ms, .. } = session;
            items.push(SessionView { id, client, device, created_ms, seen_ms, current });
        }
    }
    Ok(Json(List { items, next }))
}

async fn end_session(Of(state): Of<Shared>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, UserError> {
    match state.session(&id).await? {
        Some(session) if session.value.user == caller.user.as_str() => state.end_session(&id, "revoked").await?,
        _ => return Err(UserError::NotFound("session")),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn users(
    Of(state): Of<Shared>,
    _caller: Caller,
    Parameters(page): Parameters<Page>,
) -> Result<Json<List<PublicUser>>, UserError> {
    let (found, next) = state.directory(&page.prefix, page.cursor.as_deref(), page.limit()).await?;
    Ok(Json(List { items: found.into_iter().map(Into::into).collect(), next }))
}

async fn user(Of(state): Of<Shared>, _caller: Caller, Path(id): Path<String>) -> Result<Json<PublicUser>, UserError> {
    let user = state.user(&id).await?.ok_or(UserError::NotFound("user"))?;
    Ok(Json(user.into()))
}

#[derive(Deserialize)]
struct PresenceQuery {
    users: Vec<String>,
}

async fn presence(
    Of(state): Of<Shared>,
    _caller: Caller,
    Payload(query): Payload<PresenceQuery>,
) -> Result<Response, UserError> {
    if query.users.len() > ITEMS_MAX {
        return Err(UserError::Invalid("at most 200 users may be asked for at once"));
    }
    let state = &state;
    let reads =
        stream::iter(query.users).map(|user| async move { state.presence_of(&user).await }).buffered(READS_AT_ONCE);
    let items: Vec<_> = reads.try_collect().await?;
    Ok(Json(json!({ "items": items })).into_response())
}

#[derive(Deserialize)]
struct Lookup {
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    handles: Vec<String>,
}

async fn lookup(
    Of(state): Of<Shared>,
    _internal: Internal,
    Payload(lookup): Payload<Lookup>,
) -> Result<Json<List<OwnUser>>, UserError> {
    if lookup.ids.len() > ITEMS_MAX || lookup.handles.len() > ITEMS_MAX {
        return Err(UserError::Invalid("at most 200 ids and 200 handles may be looked up at once"));
    }
    let found = state.lookup(&lookup.ids, &lookup.handles).await?;
    Ok(Json(List { items: found.into_iter().map(Into::into).collect(), next: None }))
}

async fn session_lives(
    Of(state): Of<Shared>,
    _internal: Internal,
    Path(id): Path<String>,
) -> Result<Json<Value>, UserError> {
    let live = state.session_lives(&id).await?;
    Ok(Json(json!({"live": live})))
}

#[derive(Deserialize)]
struct Reports {
    node: String,
    ttl_ms: u64,
    reports: Vec<Report>,
}

async fn report_presence(
    Of(state): Of<Shared>,
    _internal: Internal,
    Payload(reports): Payload<Reports>,
) -> Result<StatusCode, UserError> {
    if reports.reports.len() > REPORTS_MAX {
        return Err(UserError::Invalid("at most 50 users may be reported at once"));
    }
    let (state, node, ttl_ms) = (&state, &reports.node, reports.ttl_ms);
    let writes =
        stream::iter(reports.reports).map(|report| async move { state.report_presence(&report, node, ttl_ms).await });
    writes.buffer_unordered(READS_AT_ONCE).try_collect::<()>().await?;
    Ok(StatusCode::NO_CONTENT)
}
