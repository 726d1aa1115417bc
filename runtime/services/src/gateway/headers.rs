//! Headers in transit: what ends at the gateway, and what it adds.

use std::net::IpAddr;

use archgen_ports::ServiceKey;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::auth::Identity;
use crate::identity::{SCOPE_HEADER, SESSION_HEADER, SUBJECT_HEADER};

/// Id of a request, for logs on both sides.
pub(super) const REQUEST_ID_HEADER: &str = "x-request-id";
/// Whether an answer came from the cache.
pub(super) const CACHE_HEADER: &str = "x-cache";

/// Headers of one connection (RFC 9110, section 7.6.1), never passed on.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Beginnings of header names by which hosts of the fleet trust each other.
const TRUSTED: &[&str] = &["x-auth-", "x-archgen-"];

/// Headers that say where a request came from; only the gateway's own word counts.
const ORIGIN: &[&str] = &["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Removes what belongs to one connection, including whatever `Connection` names.
fn strip_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}

fn strip_trusted(headers: &mut HeaderMap) {
    let trusted = |name: &&HeaderName| TRUSTED.iter().any(|t| name.as_str().starts_with(t));
    let names: Vec<HeaderName> = headers.keys().filter(trusted).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// What the gateway says about a request.
pub(super) struct Introduction<'a> {
    pub identity: Option<&'a Identity>,
    /// The fleet's key, for the fleet's own services.
    pub key: Option<&'a ServiceKey>,
    pub client: IpAddr,
    pub request_id: &'a str,
    /// Whether the service sees the caller's credential itself (on routes that the gateway does not guard).
    pub keep_credential: bool,
}

/// Turns a client's headers into those of the request to an instance.
pub(super) fn towards_instance(headers: &mut HeaderMap, introduction: &Introduction<'_>) {
    strip_hop(headers);
    strip_trusted(headers);
    let host = headers.remove(header::HOST);
    headers.remove(header::EXPECT);
    for name in ORIGIN {
        headers.remove(*name);
    }
    if !introduction.keep_credential {
        headers.remove(header::AUTHORIZATION);
    }
    let mut set = |name: &'static str, text: &str| {
        // Subjects and scopes come from verified claims; one that cannot stand in a header is left out, and the service refuses.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(identity) = introduction.identity {
        set(SUBJECT_HEADER, &identity.subject);
        set(SESSION_HEADER, &identity.session);
        set(SCOPE_HEADER, &identity.scope);
    }
    set("x-forwarded-for", &introduction.client.to_string());
    set("x-forwarded-proto", "http");
    set(REQUEST_ID_HEADER, introduction.request_id);
    if let Some(host) = host {
        headers.insert(HeaderName::from_static("x-forwarded-host"), host);
    }
    if let Some(key) = introduction.key
        && let Ok(mut value) = HeaderValue::from_str(key.expose())
    {
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(ServiceKey::HEADER), value);
    }
}

/// Turns an instance's headers into those of the answer to the client.
pub(super) fn towards_client(headers: &mut HeaderMap) {
    strip_hop(headers);
    strip_trusted(headers);
    headers.remove(header::SERVER);
}

/// Adds what every answer carries. A service's own choice of policy stays.
pub(super) fn finish(headers: &mut HeaderMap, request_id: &str) {
    let mut default = |name: &'static str, value: &'static str| {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    };
    default("x-content-type-options", "nosniff");
    default("x-frame-options", "DENY");
    default("referrer-policy", "no-referrer");
    default("content-security-policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'");
    default("cross-origin-opener-policy", "same-origin");
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static(REQUEST_ID_HEADER), id);
    }
}
