//! AG051: a route is open to everyone.

use super::{Context, Explanation};
use crate::ast::RouteAuth;
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(51),
    title: "a route needs no credential",
    why: "Whoever reaches the gateway reaches this route. That is right for signing in and discovery, and for little else.",
    fix: "Remove `auth: none`; or declare `gateway.auth`. Routes to the issuing service under `/oauth2`, `/.well-known` or `…/auth` may be open.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  routes:
    /api/v1/users: { to: user, auth: none }
services:
  user: { port: 9300 }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  routes:
    /api/v1/users: { to: user }
    /oauth2: { to: user, auth: none }
services:
  user: { port: 9300 }
"#,
};

/// Whether a prefix is one that has to be open.
fn open(prefix: &str) -> bool {
    prefix.split('/').any(|part| matches!(part, "auth" | "oauth" | "oauth2" | ".well-known" | "healthz"))
}

/// Open routes that change something or lead elsewhere than to the issuer; and a gateway that checks nothing at all.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(gateway) = &context.spec.gateway else { return };
    let gateway = &gateway.value;
    let routes = gateway.routes.iter().flat_map(|r| &r.value);
    if !gateway.said.contains(&"auth") {
        let unsaid = routes.filter(|r| r.value.auth.is_none() && r.value.to.is_some()).count();
        if unsaid > 0 {
            let fault = Diagnostic::warning(
                EXPLANATION.code,
                gateway.here,
                "the gateway has no `auth`: its routes need no credential",
            );
            out.push(fault.with_help("add `auth: { by: SERVICE }`, or say `auth: none` on each route"));
        }
        return;
    }
    let issuer = gateway.auth.as_ref().and_then(|a| a.value.by.as_ref()).map(|by| by.value.as_str());
    for route in routes {
        let Some(auth) = &route.value.auth else { continue };
        let to = route.value.to.as_ref().map(|t| t.value.as_str());
        if auth.value == RouteAuth::None && !(open(&route.name.value) && to == issuer) {
            let fault = Diagnostic::warning(
                EXPLANATION.code,
                auth.span,
                format!("the route `{}` needs no credential", route.name.value),
            );
            out.push(fault.with_help("remove `auth: none` unless everyone may call it"));
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
