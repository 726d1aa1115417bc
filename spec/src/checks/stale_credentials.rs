//! AG057: a revoked credential lives long.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::units::Unit;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(57),
    title: "a revoked token lives for a long time",
    why: "The gateway keeps the answer to `is this token good?` for so long. A stolen token works until the answer expires, whatever the owner revokes.",
    fix: "Keep `cache` at ten seconds or so; a minute at most.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user, cache: 10m }
  routes:
    /api/v1/users: { to: user }
services:
  user: { port: 9300 }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user, cache: 10s }
  routes:
    /api/v1/users: { to: user }
services:
  user: { port: 9300 }
"#,
};

const CACHE_SECONDS_MAX: u64 = 60;

/// `gateway.auth.cache`.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let cache = context.spec.gateway.as_ref().and_then(|g| g.value.auth.as_ref()).and_then(|a| a.value.cache.as_ref());
    if let Some(cache) = cache.filter(|c| c.value.0.as_secs() > CACHE_SECONDS_MAX) {
        let message = format!("a revoked token works for up to {}", cache.value.print());
        out.push(
            Diagnostic::warning(EXPLANATION.code, cache.span, message)
                .with_help("keep `cache` at 60s or less; 10s is usual"),
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
