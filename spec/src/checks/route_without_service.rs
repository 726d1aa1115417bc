//! AG035: a route that leads nowhere.

use super::{Context, Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(35),
    title: "a route leads to no service",
    why: "A route without `to` would answer 404 or 502 to everyone who calls it.",
    fix: "Add `to: SERVICE`, or remove the route.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  routes:
    /api/v1/users: { micro_cache: 1s }
services:
  user: { port: 9300 }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  routes:
    /api/v1/users: { to: user, micro_cache: 1s }
services:
  user: { port: 9300 }
"#,
};

/// Routes without `to`, and prefixes that are none.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let names: Vec<&str> = context.services.iter().map(|s| s.name.value.as_str()).collect();
    let Some(gateway) = &context.spec.gateway else { return };
    for route in gateway.value.routes.iter().flat_map(|r| &r.value) {
        let path = &route.name;
        if !route.value.said.contains(&"to") {
            let fault = Diagnostic::error(
                EXPLANATION.code,
                path.span,
                format!("the route `{}` leads to no service", path.value),
            );
            out.push(fault.with_help(format!("add `to: SERVICE`; {}", suggestion::help("", "services", &names))));
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
