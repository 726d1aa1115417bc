//! AG056: a sign-in route without a limit of its own.

use super::{Context, Explanation};
use crate::ast::RouteAuth;
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(56),
    title: "an open route has no limit of its own",
    why: "A route without a credential is where passwords are guessed. The gateway's general limit lets a thousand guesses through in a minute.",
    fix: "Give the route a limit of its own: `limit: 5/s burst 10`.",
    before: r#"secrets: { tls: "file:./tls" }
gateway:
  kind: nginx
  version: "1.22"
  host: chat.example.org
  tls: secret:tls
  auth: { by: user }
  limits: { per_ip: 20/s burst 40 }
  routes:
    /api/v1/users: { to: user }
    /oauth2: { to: user, auth: none }
services:
  user: { port: 9300 }
"#,
    after: r#"secrets: { tls: "file:./tls" }
gateway:
  kind: nginx
  version: "1.22"
  host: chat.example.org
  tls: secret:tls
  auth: { by: user }
  limits: { per_ip: 20/s burst 40 }
  routes:
    /api/v1/users: { to: user }
    /oauth2: { to: user, auth: none, limit: 5/s burst 10 }
services:
  user: { port: 9300 }
"#,
};

/// Routes of a public gateway that say `auth: none`. Discovery documents are public and cheap.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some((written, _)) = context.public_gateway() else { return };
    for route in written.routes.iter().flat_map(|r| &r.value) {
        let Some(auth) = route.value.auth.as_ref().filter(|a| a.value == RouteAuth::None) else { continue };
        if route.value.limit.is_none() && !route.name.value.starts_with("/.well-known") {
            let message = format!("the open route `{}` has no limit of its own", route.name.value);
            out.push(
                Diagnostic::warning(EXPLANATION.code, auth.span, message).with_help("add `limit: 5/s burst 10` to it"),
            );
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
