//! AG074: a limit that another one always reaches first.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::units::Unit;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(74),
    title: "a limit is never reached",
    why: "The gateway's limit holds for every route. A route's limit above it never takes effect: whoever set it believes that the route allows more than it does.",
    fix: "Lower the route's limit, or raise the gateway's.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  limits: { per_ip: 20/s burst 40 }
  routes:
    /api/v1/users: { to: user, limit: 50/s burst 100 }
services:
  user: { port: 9300 }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  limits: { per_ip: 20/s burst 40 }
  routes:
    /api/v1/users: { to: user, limit: 5/s burst 10 }
services:
  user: { port: 9300 }
"#,
};

/// Limits of routes against the gateway's limit per address.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(gateway) = context.spec.gateway.as_ref().map(|g| &g.value) else { return };
    let Some(all) = gateway.limits.as_ref().and_then(|l| l.value.per_ip.as_ref()) else { return };
    for route in gateway.routes.iter().flat_map(|r| &r.value) {
        let Some(own) = &route.value.limit else { continue };
        let above = own.value.rate.per_second() >= all.value.rate.per_second() && own.value.burst >= all.value.burst;
        if above {
            let message = format!("the limit of `{}` is never reached: the gateway's comes first", route.name.value);
            out.push(
                Diagnostic::warning(EXPLANATION.code, own.span, message)
                    .with_help(format!("set it below {}", all.value.print()))
                    .with_related(all.span, "the limit of the whole gateway"),
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
