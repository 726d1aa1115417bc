//! The page: static files built into the binary, and what they must know of the system.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

/// Path, media type, text.
const FILES: &[(&str, &str, &str)] = &[
    ("/", "text/html; charset=utf-8", include_str!("../../../../ui/index.html")),
    ("/app.js", "text/javascript; charset=utf-8", include_str!("../../../../ui/app.js")),
    ("/socket.js", "text/javascript; charset=utf-8", include_str!("../../../../ui/socket.js")),
    ("/style.css", "text/css; charset=utf-8", include_str!("../../../../ui/style.css")),
];

/// The page of one system.
pub(super) struct Page {
    config: String,
    policy: HeaderValue,
}

impl Page {
    /// The page of the system of this name, whose realtime hosts have these base URLs.
    pub(super) fn new(name: &str, realtime: &[String]) -> Self {
        let sockets = realtime.iter().map(|url| url.replacen("http", "ws", 1));
        let connect: Vec<String> = realtime.iter().cloned().chain(sockets).collect();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {}; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            connect.join(" ")
        );
        let strict = HeaderValue::from_static("default-src 'none'");
        Self {
            config: json!({"name": name, "realtime": realtime}).to_string(),
            policy: HeaderValue::from_str(&policy).unwrap_or(strict),
        }
    }

    /// The file of this path, if it is one.
    pub(super) fn get(&self, method: &Method, path: &str) -> Option<Response> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let (kind, text) = if path == "/config.json" {
            ("application/json", self.config.clone())
        } else {
            FILES.iter().find(|(name, ..)| *name == path).map(|(_, kind, text)| (*kind, (*text).to_owned()))?
        };
        let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
        let mut response = (StatusCode::OK, headers, text).into_response();
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        Some(response)
    }
}
