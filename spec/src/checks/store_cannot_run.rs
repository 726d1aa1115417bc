//! AG090: a store has nothing to run on, beside others that have.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(90),
    title: "a store has nothing to run on",
    why: "`archgen up` needs to know where each store is. Here half of the stores or more are embedded or have an endpoint, so that the system is meant to run, and this one is neither. A spec of which only artifacts are generated is not warned about.",
    fix: "Say `embedded: true`, or `endpoint: host:port` of a server that is there.",
    before: r#"stores:
  cache: { kind: redis, embedded: true }
  users: { kind: postgres, version: "15" }
"#,
    after: r#"stores:
  cache: { kind: redis, embedded: true }
  users: { kind: postgres, version: "15", endpoint: "127.0.0.1:5432" }
"#,
};

/// Stores without a place, where others have one.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let stores = &context.topology.stores;
    // A faulty `embedded` has been reported, and says nothing about the others.
    let embedded = context.stores.iter().filter(|store| store.value.embedded.is_some_and(|e| e.value)).count();
    let able = embedded + stores.iter().filter(|store| store.is_real()).count();
    if able == 0 || able * 2 < stores.len() {
        return;
    }
    for (written, store) in context.stores.iter().zip(stores) {
        // A faulty `endpoint` or `managed` has been reported.
        let said = ["endpoint", "managed"].iter().any(|key| written.value.said.contains(key));
        if !store.embedded && !store.is_real() && !said {
            let message = format!("`{}` is not embedded and has no endpoint", written.name.value);
            let fault = Diagnostic::warning(EXPLANATION.code, written.name.span, message);
            out.push(fault.with_help("say `embedded: true` or `endpoint: host:port`"));
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
