//! Routes of the file service.

use archgen_ports::{ChannelId, UserId};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State as Shared, rejection::JsonRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{error::FileError, intent::Intent, logic, state::State};
use crate::{
    host::Payload,
    identity::{Caller, Internal},
};

/// Largest request body, bytes: metadata only.
const BODY_BYTES_MAX: usize = 16 << 10;

pub(super) fn routes(state: State) -> Router {
    Router::new()
        .route("/api/v1/files", post(intend))
        .route("/api/v1/files/{id}", get(look).delete(delete))
        .route("/api/v1/files/{id}/complete", post(complete))
        .route("/api/v1/files/{id}/content", get(content))
        .route("/internal/out", post(out))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

async fn intend(
    Shared(state): Shared<State>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Json<Intent>, JsonRejection>,
) -> Result<Response, FileError> {
    let Json(intent) = body.map_err(|rejection| FileError::Invalid(rejection.body_text()))?;
    let key = headers.get("idempotency-key").map(|v| v.to_str().unwrap_or_default());
    let (stored, upload) = logic::intend(&state, &caller.user, intent, key).await?;
    let mut file = stored.json();
    let Some(upload) = upload else { return Ok(Json(file).into_response()) };
    file["upload"] = json!({"method": "PUT", "url": upload.url, "expires_ms": upload.expires_ms});
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(file)).into_response())
}

async fn complete(
    Shared(state): Shared<State>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, FileError> {
    Ok(Json(logic::complete(&state, &caller.user, &id).await?.json()))
}

async fn look(Shared(state): Shared<State>, caller: Caller, Path(id): Path<String>) -> Result<Json<Value>, FileError> {
    Ok(Json(logic::look(&state, &caller.user, &id).await?.json()))
}

async fn content(Shared(state): Shared<State>, caller: Caller, Path(id): Path<String>) -> Result<Response, FileError> {
    let url = logic::content(&state, &caller.user, &id).await?;
    let headers = [(header::LOCATION, url.as_str()), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::FOUND, headers).into_response())
}

#[derive(Deserialize)]
struct Out {
    user: UserId,
    channel: ChannelId,
}

/// Confirms that a user who is no member of a channel any more has no URL left that opens one of its files.
async fn out(Shared(state): Shared<State>, _: Internal, Payload(call): Payload<Out>) -> StatusCode {
    state.grants.dead(&call.user.0, &call.channel.0).await;
    StatusCode::NO_CONTENT
}

async fn delete(Shared(state): Shared<State>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, FileError> {
    logic::delete(&state, &caller.user, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
