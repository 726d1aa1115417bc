//! Pages of other origins (the Fetch standard, section 3.3): the gateway answers their browsers' questions itself, and says on each
//! answer which of them may read it. The generated nginx configuration does the same, in the same cases.

use archgen_spec::topology;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Headers of the gateway's answers that a page may read beside the few that it always may.
const EXPOSED: &str = "Retry-After, X-Request-Id";
const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Who may, and what.
pub(super) struct Cors {
    any: bool,
    origins: Vec<HeaderValue>,
    methods: HeaderValue,
    headers: HeaderValue,
    max_age: HeaderValue,
    credentials: bool,
}

/// What a request asks of us, with the origin that may have it.
pub(super) enum Question {
    /// Whether a page may send another request; it reaches no service.
    Preflight(Option<HeaderValue>),
    /// Whether a page may read this request's answer.
    Plain(Option<HeaderValue>),
}

/// Texts of the spec are checked there to be plain; one that could not stand in a header permits nothing.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

impl Cors {
    /// As the spec says.
    pub(super) fn new(spec: &topology::Cors) -> Self {
        Self {
            any: spec.any,
            origins: spec.origins.iter().filter_map(|o| HeaderValue::from_str(o).ok()).collect(),
            methods: value(&spec.methods.join(", ")),
            headers: value(&spec.headers.join(", ")),
            max_age: HeaderValue::from(spec.max_age.as_secs()),
            credentials: spec.credentials,
        }
    }

    /// Reads a request.
    pub(super) fn question(&self, method: &Method, headers: &HeaderMap) -> Question {
        let origin = headers.get(header::ORIGIN).filter(|o| !o.is_empty());
        let allowed = origin.and_then(|origin| match self.any {
            true => Some(HeaderValue::from_static("*")),
            // The listed form is echoed, never what the client sent.
            false => self.origins.iter().find(|o| o.as_bytes().eq_ignore_ascii_case(origin.as_bytes())).cloned(),
        });
        let asks = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|m| !m.is_empty());
        match origin.is_some() && asks && method == Method::OPTIONS {
            true => Question::Preflight(allowed),
            false => Question::Plain(allowed),
        }
    }

    /// Puts the permission on an answer, in the place of whatever the service said of it.
    pub(super) fn share(&self, question: &Question, headers: &mut HeaderMap) {
        for name in [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            header::ACCESS_CONTROL_MAX_AGE,
            PRIVATE_NETWORK,
        ] {
            headers.remove(name);
        }
        // Also where nothing is permitted: a cache must not give this answer to the page that may read it.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let (Question::Preflight(Some(origin)) | Question::Plain(Some(origin))) = question else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        match question {
            Question::Preflight(_) => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
                headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            }
            Question::Plain(_) => {
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
            }
        }
    }
}
