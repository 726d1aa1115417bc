//! AG093: `managed: true` on what archgen does not start.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::topology::StoreKind;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(93),
    title: "a server cannot be managed",
    why: "A managed server belongs to the fleet on this machine: `archgen up` starts and stops it. That is known of PostgreSQL, Redis, Consul and nginx. Other engines are started by whoever runs them; a server with an endpoint is there already; and the password or token is made with the server, so that it must be named.",
    fix: "Remove `managed`, and name the server that is there as `endpoint`; or remove the endpoint; or say `credentials` of a store, `token` of the registry.",
    before: r#"stores:
  events: { kind: kafka, version: "3.7", managed: true, topics: { message: { retain: 7d } } }
"#,
    after: r#"stores:
  events: { kind: kafka, version: "3.7", endpoint: "127.0.0.1:9092", topics: { message: { retain: 7d } } }
"#,
};

/// Managed servers of other kinds, such that have an endpoint, and such that would let everybody in.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (written, store) in context.stores.iter().zip(&context.topology.stores) {
        let Some(managed) = written.value.managed.filter(|m| m.value && written.value.kind.is_some()) else { continue };
        let name = &written.name.value;
        if !matches!(store.kind, StoreKind::Postgres | StoreKind::Redis) {
            let message = format!("archgen starts no {} server", store.kind.name());
            let fault = Diagnostic::error(EXPLANATION.code, managed.span, message);
            out.push(fault.with_help("`managed` is for postgres and redis; name a server that is there as `endpoint`"));
        } else if !store.endpoints.is_empty() {
            out.push(there_already(managed.span, name));
        } else if store.managed && written.value.credentials.is_none() {
            let message = format!("`{name}` is managed, and nobody may come in");
            let fault = Diagnostic::error(EXPLANATION.code, managed.span, message);
            out.push(fault.with_help("say who connects: `credentials: { user: archgen, password: secret:NAME }`"));
        }
    }
    let (Some(written), Some(registry)) = (&context.spec.registry, &context.topology.registry) else { return };
    let Some(managed) = written.value.managed.filter(|m| m.value) else { return };
    if !registry.endpoints.is_empty() {
        out.push(there_already(managed.span, "registry"));
    } else if registry.managed && registry.default_deny && written.value.token.is_none() {
        let message = "`registry` is managed, and denies everything to everybody".to_owned();
        let fault = Diagnostic::error(EXPLANATION.code, managed.span, message);
        out.push(fault.with_help("name the token that hosts come with: `token: secret:NAME`"));
    }
}

fn there_already(at: Span, name: &str) -> Diagnostic {
    let fault = Diagnostic::error(EXPLANATION.code, at, format!("`{name}` is managed, and has an endpoint"));
    fault.with_help("a managed server gets its address at `archgen up`: remove one of the two")
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
    fn a_managed_server_is_not_there_already_and_lets_somebody_in() {
        let secrets = "secrets: { s: \"env:S\" }\n";
        let registry = |rest: &str| format!("{secrets}registry: {{ kind: consul, managed: true{rest} }}\n");
        let store = |rest: &str| {
            format!("{secrets}stores:\n  users: {{ kind: postgres, version: \"15\", managed: true{rest} }}\n")
        };
        let count = |text: String| codes(&text).iter().filter(|(code, _)| *code == EXPLANATION.code).count();
        assert_eq!(count(registry(", token: secret:s")), 0);
        assert_eq!(count(registry("")), 1);
        assert_eq!(count(registry(", acl: default-allow")), 0);
        assert_eq!(count(registry(", token: secret:s, endpoint: \"127.0.0.1:8500\"")), 1);
        assert_eq!(count(store(", credentials: { user: u, password: secret:s }")), 0);
        assert_eq!(count(store("")), 1);
    }
}
