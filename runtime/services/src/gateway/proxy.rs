//! One exchange with an instance, and a second one where the first did not come about.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use archgen_env::{http::ClientError, net::Address};
use archgen_spec::topology::Route;
use axum::{body::Body, response::Response};
use http::{HeaderMap, Method, Request, Uri, header, request::Parts};
use http_body_util::{BodyExt, Empty};
use tokio::time::{Instant, timeout_at};

use super::{
    auth::Identity,
    balance::Lease,
    body::{Fate, RequestBody, ResponseBody},
    error::GatewayError,
    headers::{Introduction, towards_client, towards_instance},
    retry::is_idempotent,
    state::State,
};

/// A request on its way.
pub(super) struct Passage<'a> {
    pub route: &'a Route,
    pub identity: Option<&'a Identity>,
    pub client: IpAddr,
    pub request_id: &'a str,
    pub deadline: Instant,
}

/// Sends the request to an instance of the route's service and gives its answer, the body still streaming.
pub(super) async fn forward(
    state: &State,
    passage: &Passage<'_>,
    parts: &Parts,
    body: Body,
) -> Result<Response, GatewayError> {
    let service = &state.services[passage.route.to.0];
    let caller = passage.identity.map_or_else(|| passage.client.to_string(), |i| i.subject.clone());
    let mut headers = parts.headers.clone();
    towards_instance(
        &mut headers,
        &Introduction {
            identity: passage.identity,
            key: service.fleet.then_some(&state.key),
            client: passage.client,
            request_id: passage.request_id,
            keep_credential: !passage.route.authenticated,
        },
    );
    let unreachable = || GatewayError::Unreachable(service.pool.service().to_owned());
    state.budget.deposit();
    let (body, fate) = (Arc::new(Mutex::new(body)), Fate::default());
    let with_body = has_body(&parts.headers);
    let mut failed: Vec<String> = Vec::new();
    loop {
        let lease = service.pool.pick(passage.route.balance, caller.as_bytes(), &failed, Instant::now());
        let lease = lease.ok_or_else(unreachable)?;
        if !failed.is_empty() {
            if !state.budget.withdraw() {
                return Err(unreachable());
            }
            state.counters.retries.inc();
        }
        failed.push(lease.name().to_owned());
        let outcome = attempt(state, passage, parts, headers.clone(), &body, &fate, lease).await;
        let repeatable = if with_body { fate.is_untouched() } else { is_idempotent(&parts.method) };
        let Err(GatewayError::Broken(_)) = &outcome else { return outcome };
        if !repeatable || failed.len() > passage.route.retries as usize {
            // Several that failed are a service that is away; one that failed may have broken this exchange only.
            return if failed.len() > 1 && (!with_body || fate.is_untouched()) { Err(unreachable()) } else { outcome };
        }
    }
}

async fn attempt(
    state: &State,
    passage: &Passage<'_>,
    parts: &Parts,
    headers: HeaderMap,
    body: &Arc<Mutex<Body>>,
    fate: &Fate,
    lease: Lease,
) -> Result<Response, GatewayError> {
    let max = passage.route.body_bytes_max;
    let body = if has_body(&parts.headers) {
        RequestBody::new(body.clone(), max, fate.clone()).boxed()
    } else {
        Empty::new().map_err(|never| match never {}).boxed()
    };
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = target(lease.address(), &parts.uri)?;
    *request.headers_mut() = headers;
    let answer = timeout_at(passage.deadline, state.client.stream(request)).await;
    match answer {
        Ok(Ok(response)) => {
            lease.answered();
            let (mut head, body) = response.into_parts();
            towards_client(&mut head.headers);
            let body = if parts.method == Method::HEAD {
                Body::empty()
            } else {
                Body::new(ResponseBody::new(body, passage.deadline, lease))
            };
            Ok(Response::from_parts(head, body))
        }
        Ok(Err(error)) => Err(failure(state, fate, max, &lease, &error)),
        Err(_) => {
            state.counters.failed.inc();
            Err(GatewayError::Timeout)
        }
    }
}

fn failure(state: &State, fate: &Fate, max: u64, lease: &Lease, error: &ClientError) -> GatewayError {
    if fate.is_too_large() {
        return GatewayError::TooLarge(max);
    }
    if fate.is_broken() {
        return GatewayError::ClientBody;
    }
    state.counters.failed.inc();
    lease.failed(Instant::now());
    tracing::warn!(instance = lease.name(), %error, "instance failed");
    GatewayError::Broken(lease.name().to_owned())
}

/// Whether a request announces a body (RFC 9112, section 6).
pub(super) fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

fn target(address: &Address, uri: &Uri) -> Result<Uri, GatewayError> {
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    format!("http://{address}{path}").parse().map_err(|_| GatewayError::Path)
}
