//! The sign-in form: one page without script. It owns escaping and the headers that confine the page.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};

/// Text made safe inside an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The source expression of a redirect URI in a policy: its origin, or its scheme where it has no host. `None` for what could
/// break out of the policy.
pub(super) fn form_target(redirect_uri: &str) -> Option<String> {
    let safe = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.:[]".contains(&c));
    if let Ok(uri) = redirect_uri.parse::<Uri>()
        && let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
    {
        return (safe(scheme) && safe(authority.as_str())).then(|| format!("{scheme}://{authority}"));
    }
    let (scheme, _) = redirect_uri.split_once(':')?;
    (!scheme.is_empty() && safe(scheme)).then(|| format!("{scheme}:"))
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f5f5f7;display:grid;place-items:center;\
min-height:100vh;margin:0}main{background:#fff;padding:2rem;border-radius:12px;width:20rem;box-shadow:0 1px 4px #0002}\
h1{font-size:1.25rem;margin:0 0 1rem}label{display:block;margin:.75rem 0}input{font:inherit;width:100%;\
box-sizing:border-box;padding:.5rem;border:1px solid #bbb;border-radius:6px}button{font:inherit;width:100%;\
padding:.6rem;border:0;border-radius:6px;background:#1d4ed8;color:#fff;margin-top:.5rem}p[role=alert]{color:#b91c1c}";

/// The form. `fields` are carried in hidden inputs; `email` is filled in; `alert` says what went wrong.
pub(super) fn sign_in(
    status: StatusCode,
    client: &str,
    fields: &[(&str, &str)],
    email: &str,
    alert: Option<&str>,
    form_target: Option<&str>,
) -> Response {
    let hidden: String = fields
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value)))
        .collect();
    let alert = alert.map(|text| format!("<p role=\"alert\">{}</p>", escape(text))).unwrap_or_default();
    let (client, email) = (escape(client), escape(email));
    let body = format!(
        "<h1>Sign in to {client}</h1>{alert}<form method=\"post\" action=\"/oauth2/authorize\">{hidden}\
         <label>Email<input type=\"email\" name=\"email\" value=\"{email}\" autocomplete=\"username\" required autofocus></label>\
         <label>Password<input type=\"password\" name=\"password\" autocomplete=\"current-password\" required></label>\
         <button>Sign in</button></form>"
    );
    document(status, "Sign in", &body, form_target)
}

/// A page that says what is wrong with a request that must not be redirected.
pub(super) fn refusal(text: &str) -> Response {
    let body = format!("<h1>This sign-in link does not work</h1><p role=\"alert\">{}</p>", escape(text));
    document(StatusCode::BAD_REQUEST, "Sign in", &body, None)
}

fn document(status: StatusCode, title: &str, body: &str, form_target: Option<&str>) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>"
    );
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{}",
        form_target.map(|target| format!(" {target}")).unwrap_or_default()
    );
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
