//! Which route a path takes: longest prefix, at segment boundaries; and which paths are no paths.

use std::time::Duration;

use archgen_spec::topology::{Balance, Route, ServiceId};

/// Where OAuth and OpenID discovery documents live. They belong to the service that issues tokens (RFC 8414, section 3).
const WELL_KNOWN: &str = "/.well-known";
/// Largest body towards the discovery documents, bytes.
const WELL_KNOWN_BODY_BYTES_MAX: u64 = 64 << 10;

/// The gateway's routes.
pub(super) struct Routes(Vec<Route>);

impl Routes {
    /// Routes of the spec; where none of them covers the discovery documents, one to the issuer of tokens is added.
    pub(super) fn new(mut routes: Vec<Route>, issuer: Option<ServiceId>) -> Self {
        if let Some(to) = issuer
            && !routes.iter().any(|r| below(WELL_KNOWN, &r.prefix) || below(&r.prefix, WELL_KNOWN))
        {
            routes.push(Route {
                prefix: WELL_KNOWN.to_owned(),
                to,
                authenticated: false,
                balance: Balance::RoundRobin,
                micro_cache: None,
                body_bytes_max: WELL_KNOWN_BODY_BYTES_MAX,
                timeout: Duration::from_secs(5),
                retries: 1,
                limit: None,
            });
        }
        routes.sort_by(|a, b| trimmed(&b.prefix).len().cmp(&trimmed(&a.prefix).len()).then(a.prefix.cmp(&b.prefix)));
        Self(routes)
    }

    /// All routes, longest prefix first.
    pub(super) fn all(&self) -> &[Route] {
        &self.0
    }

    /// The route of a path and its place in [`Self::all`].
    pub(super) fn of(&self, path: &str) -> Option<(usize, &Route)> {
        self.0.iter().enumerate().find(|(_, route)| below(path, &route.prefix))
    }
}

fn trimmed(prefix: &str) -> &str {
    prefix.trim_end_matches('/')
}

/// Whether the path is the prefix or lies below it.
fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(trimmed(prefix)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path may leave the gateway. Services must read it exactly as the gateway did, so anything that some parser
/// resolves or decodes into another path is refused: empty and dot segments, backslashes, encoded separators and controls.
/// What the fleet says among itself (`/internal`) has no way in either.
pub(super) fn is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let mut segments = rest.split('/').peekable();
    let mut first = true;
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        let Some(decoded) = decoded(segment) else { return false };
        let hidden = first && decoded.eq_ignore_ascii_case(b"internal");
        if hidden || (decoded.is_empty() && !last) || decoded == b"." || decoded == b".." {
            return false;
        }
        if decoded.iter().any(|b| b.is_ascii_control() || *b == b'/' || *b == b'\\') {
            return false;
        }
        first = false;
    }
    true
}

/// The bytes of a percent-encoded segment; `None` where the encoding is broken or holds a second encoding.
fn decoded(segment: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let mut digit = || bytes.next().and_then(|d| char::from(d).to_digit(16));
            let value = (digit()? * 16 + digit()?) as u8;
            if value == b'%' {
                return None;
            }
            value
        } else {
            byte
        });
    }
    Some(out)
}
