//! Requests and answers: the query, refusals, CORS.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::config::Origins;
use crate::engine::Refusal;

/// What the query asks for.
pub(crate) struct Query<'a> {
    pub(crate) websocket: bool,
    pub(crate) sid: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// Reads `EIO`, `transport` and `sid`; none of their valid values needs percent-decoding.
    pub(crate) fn parse(query: &'a str) -> Result<Self, Refusal> {
        let value = |key: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == key);
        let websocket = match value("transport") {
            Some((_, "polling")) => false,
            Some((_, "websocket")) => true,
            _ => return Err(Refusal::TransportUnknown),
        };
        match value("EIO") {
            Some((_, "4")) => Ok(Self { websocket, sid: value("sid").map(|(_, sid)| sid) }),
            _ => Err(Refusal::Version),
        }
    }
}

/// An answer in plain text.
pub(crate) fn plain(status: StatusCode, text: String) -> Response<Body> {
    answer(status, "text/plain; charset=UTF-8", text)
}

/// The protocol's refusal.
pub(crate) fn refuse(refusal: Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    answer(status, "application/json", refusal.body())
}

/// 503: come back later.
pub(crate) fn unavailable() -> Response<Body> {
    let body = r#"{"code":3,"message":"Server is not taking new sessions"}"#.to_owned();
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, "application/json", body);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to a browser's question before its request.
pub(crate) fn preflight(request: &HeaderMap) -> Response<Body> {
    let mut response = plain(StatusCode::NO_CONTENT, String::new());
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets the browser show the answer to the page that asked.
pub(crate) fn share(origins: &Origins, credentials: bool, origin: Option<&HeaderValue>, response: &mut Response<Body>) {
    let Some(origin) = origin else { return };
    let headers = response.headers_mut();
    match origins {
        Origins::Any => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Origins::These(_) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if credentials {
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
}
