//! AG093: `managed: true` on an engine that archgen does not start.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::StoreKind;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(93),
    title: "a store cannot be managed",
    why: "A managed server is one of PostgreSQL or Redis that belongs to the fleet on this machine; `archgen up` refuses it until it can start one. Other engines are started by whoever runs them; and a server with an endpoint is there already.",
    fix: "Remove `managed`, and name the server that is there as `endpoint`; or remove the endpoint.",
    before: r#"stores:
  events: { kind: kafka, version: "3.7", managed: true, topics: { message: { retain: 7d } } }
"#,
    after: r#"stores:
  events: { kind: kafka, version: "3.7", endpoint: "127.0.0.1:9092", topics: { message: { retain: 7d } } }
"#,
};

/// Managed stores of other kinds, and such that have an endpoint.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (written, store) in context.stores.iter().zip(&context.topology.stores) {
        let Some(managed) = written.value.managed.filter(|m| m.value && written.value.kind.is_some()) else { continue };
        if !matches!(store.kind, StoreKind::Postgres | StoreKind::Redis) {
            let message = format!("archgen starts no {} server", store.kind.name());
            let fault = Diagnostic::error(EXPLANATION.code, managed.span, message);
            out.push(fault.with_help("`managed` is for postgres and redis; name a server that is there as `endpoint`"));
        } else if !store.endpoints.is_empty() {
            let message = format!("`{}` is managed, and has an endpoint", written.name.value);
            let fault = Diagnostic::error(EXPLANATION.code, managed.span, message);
            out.push(fault.with_help("a managed server gets its address at `archgen up`: remove one of the two"));
        }
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
