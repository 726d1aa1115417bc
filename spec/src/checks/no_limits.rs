//! AG055: a public gateway without a limit.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(55),
    title: "no rate limit to the outside",
    why: "One client in a loop takes the capacity of everybody, and passwords can be guessed as fast as the hash allows.",
    fix: "Add `limits: { per_ip: 20/s burst 40 }` to the gateway.",
    before: r#"secrets: { tls: "file:./tls" }
gateway:
  kind: nginx
  version: "1.22"
  host: chat.example.org
  tls: secret:tls
  auth: { by: user }
  routes:
    /api/v1/users: { to: user }
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
services:
  user: { port: 9300 }
"#,
};

/// A gateway with a public name and no limit per address.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some((written, model)) = context.public_gateway() else { return };
    if model.limit_per_ip.is_none() && !model.routes.iter().all(|r| r.limit.is_some()) {
        let span = written.limits.as_ref().map_or(written.here, |l| l.span);
        out.push(
            Diagnostic::warning(EXPLANATION.code, span, "the gateway limits no client")
                .with_help("add `limits: { per_ip: 20/s burst 40 }`"),
        );
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
