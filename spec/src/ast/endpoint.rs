//! Addresses of engines that are already there.

use crate::checks::bad_endpoint;
use crate::source::{Node, Spanned, Value};

use super::{Decode, Decoder, Shape, scalar::is_host};

/// `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(pub String);

/// One address, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints(pub Vec<Spanned<Endpoint>>);

/// What keeps a text from being `host:port`.
fn fault(text: &str) -> Option<&'static str> {
    if text.contains("://") {
        return Some("has a scheme: the kind of the store says how it is spoken to");
    }
    if text.contains('@') {
        return Some("has a user: say it under `credentials`");
    }
    if text.contains(['/', '?']) {
        return Some("has a path: say the database as `namespace`");
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Some("has no port") };
    if !port.parse::<u16>().is_ok_and(|p| p > 0) {
        return Some("has no port between 1 and 65535");
    }
    (!is_host(host)).then_some("has no host name or IPv4 address before the port")
}

impl Endpoints {
    /// As written.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|e| e.value.0.clone()).collect()
    }
}

impl Decode for Endpoint {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        match fault(&text) {
            None => Some(Self(text)),
            Some(why) => {
                decoder.report(bad_endpoint::at(node.span, &text, why));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::text("an address", "`db.example.org:5432`")
    }
}

impl Decode for Endpoints {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            let one = Endpoint::decode(node, decoder)?;
            return Some(Self(vec![Spanned { value: one, span: node.span }]));
        };
        if items.is_empty() {
            decoder.expected(node, "an address or a list of them", None);
            return None;
        }
        let mut all: Vec<Spanned<Endpoint>> = Vec::with_capacity(items.len());
        for item in items {
            let Some(value) = Endpoint::decode(item, decoder) else { continue };
            if all.iter().any(|known| known.value == value) {
                decoder.report(bad_endpoint::at(item.span, &value.0, "is named twice"));
                continue;
            }
            all.push(Spanned { value, span: item.span });
        }
        (!all.is_empty()).then_some(Self(all))
    }

    fn shape() -> Shape {
        Shape::Either(vec![Endpoint::shape(), Shape::List(Box::new(Endpoint::shape()))])
    }
}
