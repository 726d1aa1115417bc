//! The micro-cache: whole small answers to GET, per caller, for a moment.

use std::{sync::Arc, time::Duration};

use archgen_env::{
    Env,
    sabotage::{Bug, is_planted},
};
use archgen_ports::cache::Cache;
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, time::timeout};

use super::{auth::Identity, headers::CACHE_HEADER};

/// Largest answer kept, bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Wait for the cache before going on without it, milliseconds.
const CACHE_MS_MAX: u64 = 100;
/// Answers being put at once; more are not kept.
const FILLS_MAX: usize = 64;
/// Request headers by which an answer may differ; an answer that varies by others is not kept.
const VARIES_BY: [HeaderName; 3] = [header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE];

#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

/// Answers kept on the cache port.
pub(super) struct MicroCache {
    env: Env,
    cache: Arc<dyn Cache>,
    fills: Arc<Semaphore>,
}

impl MicroCache {
    pub(super) fn new(env: Env, cache: Arc<dyn Cache>) -> Self {
        Self { env, cache, fills: Arc::new(Semaphore::new(FILLS_MAX)) }
    }

    /// The kept answer.
    pub(super) async fn get(&self, key: &str) -> Option<Response> {
        let found = timeout(Duration::from_millis(CACHE_MS_MAX), self.cache.get(key)).await.ok()?.ok()??;
        let (head, body) = parse(&found)?;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(head.status).ok()?;
        for (name, value) in head.headers {
            response.headers_mut().append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        }
        response.headers_mut().insert(CACHE_HEADER, HeaderValue::from_static("hit"));
        Some(response)
    }

    /// Keeps an answer that may be kept, in the background, and gives it on.
    pub(super) async fn keep(&self, key: String, ttl: Duration, mut response: Response) -> Response {
        response.headers_mut().insert(CACHE_HEADER, HeaderValue::from_static("miss"));
        if !is_storable(&response) {
            return response;
        }
        let Ok(permit) = self.fills.clone().try_acquire_owned() else { return response };
        let (parts, body) = response.into_parts();
        let body = match Limited::new(body, ANSWER_BYTES_MAX as usize).collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(error) => {
                // The instance broke off inside a body it had announced: the client must see that too.
                let broken = futures_util::stream::once(async move { Err::<Bytes, _>(error) });
                return Response::from_parts(parts, Body::from_stream(broken));
            }
        };
        if let Some(entry) = render(parts.status, &parts.headers, &body) {
            let (cache, ttl_ms) = (self.cache.clone(), ttl.as_millis() as u64);
            let ttl_ms = if is_planted(Bug::KeepStale) { ttl_ms * 1_000 } else { ttl_ms };
            self.env.spawn("cache fill", async move {
                let _permit = permit;
                let wait = Duration::from_millis(CACHE_MS_MAX);
                if !matches!(timeout(wait, cache.set(&key, entry, ttl_ms)).await, Ok(Ok(()))) {
                    tracing::debug!("the cache did not take an answer");
                }
            });
        }
        Response::from_parts(parts, Body::from(body))
    }
}

/// The key of a request's answer, or `None` where its answer must not be shared with the next request: other methods, ranges
/// and conditions, a client that asks for fresh, and credentials that the gateway has not resolved to a caller.
pub(super) fn key(
    method: &Method,
    path_and_query: &str,
    headers: &HeaderMap,
    identity: Option<&Identity>,
) -> Option<String> {
    let directs = |name: HeaderName, what: &str| {
        headers.get_all(name).iter().any(|v| v.to_str().map_or(true, |v| v.to_ascii_lowercase().contains(what)))
    };
    let conditional = [header::RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH];
    if method != Method::GET
        || conditional.iter().any(|name| headers.contains_key(name))
        || directs(header::CACHE_CONTROL, "no-store")
        || directs(header::CACHE_CONTROL, "no-cache")
        || directs(header::PRAGMA, "no-cache")
        || headers.contains_key(header::COOKIE)
        || (identity.is_none() && headers.contains_key(header::AUTHORIZATION))
    {
        return None;
    }
    let mut digest = Sha256::new();
    // Each part with its length, so that no two lists of parts read alike.
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    match identity {
        Some(i) => [&i.subject, &i.session, &i.scope].into_iter().for_each(|text| part(text.as_bytes())),
        None => part(b""),
    }
    part(path_and_query.as_bytes());
    for name in VARIES_BY {
        part(headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
    }
    Some(format!("gateway:{}", digest.finalize().iter().map(|b| format!("{b:02x}")).collect::<String>()))
}

/// Whether an answer may be kept: whole, small, of known length, and not withheld by the service.
pub(super) fn is_storable(response: &Response) -> bool {
    let headers = response.headers();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let withheld = headers.get_all(header::CACHE_CONTROL).iter().any(|v| {
        let text = v.to_str().unwrap_or("no-store").to_ascii_lowercase();
        text.split(',').map(str::trim).any(|d| d == "no-store" || d.starts_with("no-cache") || d == "max-age=0")
    });
    let varies = headers.get_all(header::VARY).iter().any(|v| {
        let text = v.to_str().unwrap_or("*");
        text.split(',')
            .map(str::trim)
            .any(|name| !VARIES_BY.iter().any(|known| name.eq_ignore_ascii_case(known.as_str())))
    });
    response.status() == StatusCode::OK
        && length.is_some_and(|l| l <= ANSWER_BYTES_MAX)
        && !withheld
        && !varies
        && !headers.contains_key(header::SET_COOKIE)
}

fn render(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Option<Bytes> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    let kept = headers.iter().filter(|(name, _)| *name != CACHE_HEADER);
    let head = Head { status: status.as_u16(), headers: kept.map(text).collect::<Option<_>>()? };
    let mut entry = serde_json::to_vec(&head).ok()?;
    entry.push(b'\n');
    entry.extend_from_slice(body);
    Some(entry.into())
}

fn parse(entry: &Bytes) -> Option<(Head, Bytes)> {
    let end = entry.iter().position(|b| *b == b'\n')?;
    Some((serde_json::from_slice(&entry[..end]).ok()?, entry.slice(end + 1..)))
}
