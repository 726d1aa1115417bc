//! The way of a request through the gateway: page, limits, path, route, caller, body bound, cache, instance.

use std::{net::IpAddr, net::Ipv4Addr, sync::Arc};

use archgen_env::http::PeerAddress;
use axum::{
    body::Body,
    extract::State as Shared,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Request, StatusCode, header};
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    auth::Identity,
    body::HeldBody,
    cache,
    cors::Question,
    error::GatewayError,
    headers::finish,
    limit::{Buckets, client_of},
    proxy::{Passage, forward},
    routing::is_plain,
    state::{Shared as Told, State},
};
use crate::{host::Payload, identity::Internal};

/// Answers any request.
pub(super) async fn handle(Shared(state): Shared<Arc<State>>, request: Request<Body>) -> Response {
    // A fresh id each time: a client's own would let it write into our logs.
    let request_id = state.env.new_uuid().to_string();
    state.counters.requests.inc();
    let client = client_address(&request);
    let hold = state.in_flight.as_ref().map(|all| all.enter(client_of(client)));
    let asks = state.cors.as_ref().map(|cors| (cors, cors.question(request.method(), request.headers())));
    let served = match &hold {
        _ if matches!(asks, Some((_, Question::Preflight(_)))) => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(None) => Err(GatewayError::Limited { retry_after_s: 1 }),
        _ => serve(&state, request, client, &request_id).await,
    };
    let mut response = served.unwrap_or_else(|error| {
        match &error {
            GatewayError::Limited { .. } => state.counters.limited.inc(),
            GatewayError::Unauthenticated { .. } => state.counters.refused.inc(),
            _ => 0,
        };
        tracing::debug!(request_id, %error, "refused");
        error.into_response()
    });
    if let Some((cors, question)) = &asks {
        cors.share(question, response.headers_mut());
    }
    finish(response.headers_mut(), &request_id);
    match hold.flatten() {
        Some(hold) => response.map(|body| Body::new(HeldBody::new(body, hold))),
        None => response,
    }
}

/// An ended session, as the user service tells of it.
#[derive(Deserialize)]
pub(super) struct Revoked {
    session: String,
}

/// Confirms that no token of the session is accepted here any more.
pub(super) async fn revoked(
    Shared(told): Shared<Told>,
    _: Internal,
    Payload(Revoked { session }): Payload<Revoked>,
) -> StatusCode {
    match told.0.auth.revocations.end(session, Instant::now()) {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn client_address(request: &Request<Body>) -> IpAddr {
    request.extensions().get::<PeerAddress>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |p| p.0.ip())
}

async fn serve(
    state: &State,
    request: Request<Body>,
    peer: IpAddr,
    request_id: &str,
) -> Result<Response, GatewayError> {
    let (now, client) = (Instant::now(), client_of(peer));
    take(state.per_client.as_ref(), &client, now)?;
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if let Some(page) = state.page.get(&parts.method, path) {
        return Ok(page);
    }
    if !is_plain(path) {
        return Err(GatewayError::Path);
    }
    let (place, route) = state.routes.of(path).ok_or(GatewayError::NoRoute)?;
    if parts.headers.contains_key(header::UPGRADE) {
        return Err(GatewayError::Upgrade);
    }
    take(state.per_route[place].as_ref(), &client, now)?;
    let deadline = now + route.timeout;
    let identity = tokio::time::timeout_at(deadline, state.auth.identify(&parts.headers, route.authenticated))
        .await
        .map_err(|_| GatewayError::NoKeys)??;
    if let Some(identity) = &identity {
        take(state.per_token.as_ref(), session(identity), now)?;
    }
    if announced_bytes(&parts.headers) > route.body_bytes_max {
        return Err(GatewayError::TooLarge(route.body_bytes_max));
    }
    let passage = Passage { route, identity: identity.as_ref(), client: peer, request_id, deadline };
    let cached = state.cache.as_ref().zip(route.micro_cache).and_then(|(micro, ttl)| {
        let path_and_query = parts.uri.path_and_query().map_or(path, |p| p.as_str());
        let key = cache::key(&parts.method, path_and_query, &parts.headers, identity.as_ref())?;
        Some((micro, ttl, key))
    });
    let Some((micro, ttl, key)) = cached else {
        return forward(state, &passage, &parts, body).await;
    };
    if let Some(hit) = micro.get(&key).await {
        state.counters.cache_hits.inc();
        return Ok(hit);
    }
    state.counters.cache_misses.inc();
    let answer = forward(state, &passage, &parts, body).await?;
    Ok(micro.keep(key, ttl, answer).await)
}

fn take<K: Ord + Clone>(buckets: Option<&Buckets<K>>, key: &K, now: Instant) -> Result<(), GatewayError> {
    let limited = |retry_after_s| GatewayError::Limited { retry_after_s };
    buckets.map_or(Ok(()), |b| b.take(key, now)).map_err(limited)
}

fn session(identity: &Identity) -> &String {
    if identity.session.is_empty() { &identity.subject } else { &identity.session }
}

fn announced_bytes(headers: &HeaderMap) -> u64 {
    headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0)
}
