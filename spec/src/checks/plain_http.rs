//! AG053: a public gateway without TLS.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(53),
    title: "plain HTTP to the outside",
    why: "Tokens and messages cross the internet in clear: whoever shares a network with a user reads them and signs in as that user.",
    fix: "Declare the certificate under `secrets:` and say `tls: secret:NAME` in the gateway.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  host: chat.example.org
  auth: { by: user }
  limits: { per_ip: 20/s burst 40 }
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

/// A gateway with a public name.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some((written, model)) = context.public_gateway() else { return };
    if model.tls.is_none() && written.tls.is_none() {
        let span = written.host.as_ref().map_or(written.here, |h| h.span);
        let message = format!("`{}` is served over plain HTTP", model.host);
        out.push(
            Diagnostic::warning(EXPLANATION.code, span, message).with_help("add `tls: secret:NAME` to the gateway"),
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
