//! AG031: a reference to something of another kind.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(31),
    title: "a reference has the wrong kind",
    why: "A topic is published and consumed, a table is needed, a route leads to a service. A reference of the wrong kind would generate configuration that cannot work.",
    fix: "Refer to something of the kind that the message asks for.",
    before: r#"services:
  messaging: { port: 9200, publishes: [cache] }
stores:
  cache: { kind: redis, version: "7.2" }
"#,
    after: r#"services:
  messaging: { port: 9200, publishes: [events.message], needs: [cache] }
stores:
  cache: { kind: redis, version: "7.2" }
  events: { kind: kafka, version: "3.7", topics: { message: { retain: 7d } } }
"#,
};

/// `name` is a `found`; `wanted` is due.
pub fn at(span: Span, name: &str, found: &str, wanted: &str, declared: Option<Span>) -> Diagnostic {
    let fault = Diagnostic::error(EXPLANATION.code, span, format!("`{name}` is {found}; {wanted}"))
        .with_help("refer to something of that kind");
    match declared {
        Some(place) => fault.with_related(place, "declared here"),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
