//! AG091: an endpoint is not `host:port`.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(91),
    title: "an endpoint is not host:port",
    why: "An endpoint says where a real engine is, and nothing else: how it is spoken to follows from the store's kind, who connects stands under `credentials`, and the database is the `namespace`. So no address can carry a secret.",
    fix: "Write `host:port`, or a list of them for an engine of several nodes.",
    before: r#"stores:
  users: { kind: postgres, version: "15", endpoint: "postgres://db.example.org:5432/chat" }
"#,
    after: r#"stores:
  users: { kind: postgres, version: "15", endpoint: "db.example.org:5432", namespace: chat }
"#,
};

/// `text` is no endpoint.
pub fn at(span: Span, text: &str, why: &str) -> Diagnostic {
    let shown: String = text.chars().take(60).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("the endpoint `{shown}` {why}"))
        .with_help("accepted forms: `db.example.org:5432`, `[10.0.0.1:9042, 10.0.0.2:9042]`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
