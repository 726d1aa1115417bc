//! AG070: a route that changes nothing, or is never reached.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::topology::Route;
use std::collections::BTreeMap;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(70),
    title: "a route is shadowed by another",
    why: "The longest prefix wins. A longer route that says the same as the shorter one around it has no effect, and somebody who changes one of them will wonder why nothing changes.",
    fix: "Remove the route, or say what is different about it.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  routes:
    /api/v1/users: { to: user }
    /api/v1/users/me: { to: user }
services:
  user: { port: 9300 }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  routes:
    /api/v1/users: { to: user }
    /api/v1/users/me: { to: user, micro_cache: 1s }
services:
  user: { port: 9300 }
"#,
};

/// Paths that hosts answer themselves before any route.
const OWN: [&str; 4] = ["/_auth", "/healthz", "/readyz", "/metrics"];

/// Each route against the nearest shorter one around it, and against the gateway's own paths.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(gateway) = &context.topology.gateway else { return };
    let written = context.spec.gateway.iter().flat_map(|g| &g.value.routes).flat_map(|r| &r.value);
    let places: BTreeMap<&str, Span> = written.map(|r| (r.name.value.as_str(), r.name.span)).collect();
    let routes: BTreeMap<&str, &Route> = gateway.routes.iter().map(|r| (r.prefix.as_str(), r)).collect();
    for route in &gateway.routes {
        let Some(place) = places.get(route.prefix.as_str()) else { continue };
        if OWN.contains(&route.prefix.as_str()) {
            let message = format!("the gateway answers `{}` itself: this route is never reached", route.prefix);
            out.push(Diagnostic::warning(EXPLANATION.code, *place, message).with_help("use another path"));
            continue;
        }
        let around = above(&route.prefix).find_map(|prefix| routes.get(prefix));
        if let Some(around) = around.filter(|a| same(a, route)) {
            let message = format!("the route `{}` says the same as `{}` around it", route.prefix, around.prefix);
            let mut fault = Diagnostic::warning(EXPLANATION.code, *place, message)
                .with_help("remove it, or say what is different about it");
            if let Some(other) = places.get(around.prefix.as_str()) {
                fault = fault.with_related(*other, "the route around it");
            }
            out.push(fault);
        }
    }
}

/// Every shorter prefix of whole segments, longest first.
fn above(prefix: &str) -> impl Iterator<Item = &str> {
    let ends = prefix.rmatch_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
    ends.map(|at| &prefix[..at]).chain((prefix != "/").then_some("/"))
}

/// Whether two routes differ in nothing but their prefix.
fn same(a: &Route, b: &Route) -> bool {
    a.to == b.to
        && a.authenticated == b.authenticated
        && a.balance == b.balance
        && a.micro_cache == b.micro_cache
        && a.body_bytes_max == b.body_bytes_max
        && a.timeout == b.timeout
        && a.limit == b.limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn own_paths_are_never_reached() {
        let text = "gateway:\n  kind: nginx\n  version: \"1.22\"\n  auth: { by: user }\n  routes:\n    /healthz: { to: user }\nservices:\n  user: { port: 9300 }\n";
        let loaded = crate::checks::testing::loaded(text);
        assert!(loaded.diagnostics[0].message.contains("never reached"), "{:?}", loaded.diagnostics);
    }

    #[test]
    fn prefixes_above() {
        assert_eq!(above("/a/b/c").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
        assert_eq!(above("/").count(), 0);
    }
}
