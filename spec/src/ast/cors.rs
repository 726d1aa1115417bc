//! `gateway.cors`: which pages of other origins may use the API.

use crate::ast::choice::{choice, choice_decode};
use crate::checks::bad_unit;
use crate::source::{Node, Spanned};
use crate::units::Period;

use super::{Decode, Decoder, Shape, scalar::is_host};

section! {
    /// Cross-origin requests.
    pub struct Cors {
        /// Pages that may ask.
        origins: Vec<Spanned<Origin>>,
        /// Methods they may use.
        methods: Vec<Spanned<Method>>,
        /// Headers they may send.
        headers: Vec<Spanned<FieldName>>,
        /// Whether the browser may send cookies.
        credentials: bool,
        /// How long a permission is remembered.
        max_age: Period,
    }
    required [origins]
}

choice! {
    /// Methods of HTTP that a page may use.
    pub enum Method: "a method" {
        /// GET.
        Get = "GET",
        /// HEAD.
        Head = "HEAD",
        /// POST.
        Post = "POST",
        /// PUT.
        Put = "PUT",
        /// PATCH.
        Patch = "PATCH",
        /// DELETE.
        Delete = "DELETE",
    }
}

/// An origin as a browser sends it: scheme, host, and the port where it is not the scheme's own; or `*`, any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub String);

const ORIGIN_FORMS: &str = "`https://app.example.org`, `http://localhost:5173` (lower-case, no path, no slash at the end, not the scheme's own port), or `\"*\"`";

fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+.-".contains(&b);
    if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.bytes().all(plain) || scheme.len() > 32 {
        return false;
    }
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    // A browser leaves out the usual port: an origin that says it would never match.
    let usual = [("http", "80"), ("https", "443")];
    let port_fits = port.is_none_or(|port| {
        port.parse::<u16>().is_ok_and(|p| p > 0 && p.to_string() == port) && !usual.contains(&(scheme, port))
    });
    port_fits && is_host(host) && !host.bytes().any(|b| b.is_ascii_uppercase())
}

impl Decode for Origin {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        if is_origin(&text) {
            return Some(Self(text));
        }
        let meant = text.trim_end_matches('/').to_ascii_lowercase();
        let meant = match meant.split_once("://") {
            Some(("https", host)) => format!("https://{}", host.trim_end_matches(":443")),
            Some(("http", host)) => format!("http://{}", host.trim_end_matches(":80")),
            // `null`, and every other bare word, is no host that anybody serves pages from.
            _ if meant.contains('.') => format!("https://{meant}"),
            _ => String::new(),
        };
        let guess = Some(meant).filter(|meant| is_origin(meant));
        decoder.report(bad_unit::guessed(node.span, &text, "an origin", ORIGIN_FORMS, guess));
        None
    }

    fn shape() -> Shape {
        let pattern = "\\*|[a-z][a-z0-9+.-]{0,31}://[a-z0-9.-]{1,253}(?::[1-9][0-9]{0,4})?";
        Shape::form("an origin", ORIGIN_FORMS, pattern, false)
    }
}

/// A header's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldName(pub String);

const FIELD_FORMS: &str = "`Idempotency-Key` (letters, digits and `-`)";

impl Decode for FieldName {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            return Some(Self(text));
        }
        decoder.report(bad_unit::at(node.span, &text, "a header's name", FIELD_FORMS));
        None
    }

    fn shape() -> Shape {
        Shape::form("a header's name", FIELD_FORMS, "[A-Za-z0-9-]{1,64}", false)
    }
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        let good =
            ["*", "https://app.example.org", "http://localhost:5173", "http://127.0.0.1:8080", "capacitor://localhost"];
        for text in good {
            assert!(is_origin(text), "{text}");
        }
        let bad = [
            "",
            "null",
            "app.example.org",
            "https://",
            "https://App.example.org",
            "https://app.example.org/",
            "https://app.example.org/path",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "http://app.example.org:080",
            "http://app.example.org:0",
            "http://app.example.org:70000",
            "https://*.example.org",
            "https://a b",
            "https://a\"b",
            "://a",
        ];
        for text in bad {
            assert!(!is_origin(text), "{text}");
        }
    }
}
