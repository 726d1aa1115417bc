//! AG092: a store, the registry or the gateway is embedded and real at once.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Span, Spanned};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(92),
    title: "a store is embedded and has an endpoint",
    why: "An embedded store is archgen's own; an endpoint or `managed: true` names a real engine. Data would go to the one while people look for them in the other. An overlay may still say `embedded: true` over a base with an endpoint, for it comes later.",
    fix: "Remove one of the two; in an overlay that goes from embedded to real, say `embedded: false` beside the endpoint.",
    before: r#"stores:
  cache: { kind: redis, embedded: true, endpoint: "127.0.0.1:6379" }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.0", endpoint: "127.0.0.1:6379" }
"#,
};

/// Stores, a registry and a gateway that are both, where `embedded` is not the later word.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for store in context.stores {
        let endpoint = store.value.endpoint.as_ref().map(|e| e.span);
        both(&store.name.value, store.value.embedded, endpoint, store.value.managed, out);
    }
    if let Some(registry) = &context.spec.registry {
        let endpoint = registry.value.endpoint.as_ref().map(|e| e.span);
        both("registry", registry.value.embedded, endpoint, registry.value.managed, out);
    }
    if let Some(gateway) = &context.spec.gateway {
        both("gateway", gateway.value.embedded, None, gateway.value.managed, out);
    }
}

fn both(
    name: &str,
    embedded: Option<Spanned<bool>>,
    endpoint: Option<Span>,
    managed: Option<Spanned<bool>>,
    out: &mut Vec<Diagnostic>,
) {
    let Some(embedded) = embedded.filter(|e| e.value) else { return };
    let endpoint = endpoint.map(|span| (span, "has an endpoint"));
    let managed = managed.filter(|m| m.value).map(|m| (m.span, "is managed"));
    for (span, what) in endpoint.into_iter().chain(managed) {
        if embedded.span.file <= span.file {
            let fault = Diagnostic::error(EXPLANATION.code, span, format!("`{name}` {what}, and is embedded"));
            let fault = fault.with_related(embedded.span, "embedded here");
            out.push(fault.with_help("say `embedded: false` here, or remove this"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing::codes;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn the_overlay_has_the_last_word() {
        let spec = |base: &str, overlay: &str| {
            format!(
                "environments: {{ dev: env/dev.yaml }}\nstores:\n  c: {{ kind: redis, version: \"7.0\", {base} }}\n--- env/dev.yaml ---\nstores:\n  c: {{ {overlay} }}\n"
            )
        };
        assert!(codes(&spec("endpoint: \"127.0.0.1:6379\"", "embedded: true")).is_empty());
        assert!(codes(&spec("embedded: true", "embedded: false, endpoint: \"127.0.0.1:6379\"")).is_empty());
        let both = codes(&spec("embedded: true", "endpoint: \"127.0.0.1:6379\""));
        assert_eq!(both.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [EXPLANATION.code]);
    }
}
