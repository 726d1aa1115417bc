//! AG036: a service that nothing leads to.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::{Need, ServiceId, ServiceKind};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(36),
    title: "nothing leads to a service",
    why: "No route, no caller and no topic reaches it: its instances would run, cost money and never be asked anything. Mostly a route or a `needs` was forgotten.",
    fix: "Add a route, name it under `needs` of its caller, let it consume a topic, or remove it.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  routes:
    /api/v1/users: { to: user }
services:
  user: { port: 9300 }
  search: { port: 9600, needs: [user] }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  routes:
    /api/v1/users: { to: user }
    /api/v1/search: { to: search }
services:
  user: { port: 9300 }
  search: { port: 9600, needs: [user] }
"#,
};

/// Services of a system that has an entrance. A program of one's own may be a worker: it counts as used where it says
/// that it needs, writes or reads anything.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    if topology.gateway.is_none() && topology.realtime.is_none() {
        return;
    }
    let mut reached = vec![false; topology.services.len()];
    let routed =
        topology.gateway.iter().flat_map(|g| g.routes.iter().map(|r| r.to).chain(g.auth.as_ref().map(|a| a.by)));
    let needs = topology.services.iter().flat_map(|s| &s.needs).chain(topology.realtime.iter().flat_map(|r| &r.needs));
    let called = needs.filter_map(|need| match need {
        Need::Service(id) => Some(*id),
        _ => None,
    });
    for ServiceId(index) in routed.chain(called) {
        reached[index] = true;
    }
    for ((named, service), reached) in context.services.iter().zip(&topology.services).zip(reached) {
        let worker = matches!(service.kind, ServiceKind::Process { .. })
            && !(service.needs.is_empty() && service.publishes.is_empty());
        if !reached && !worker && service.consumes.is_empty() {
            let message = format!("nothing leads to the service `{}`", service.name);
            out.push(
                Diagnostic::warning(EXPLANATION.code, named.name.span, message)
                    .with_help("add a route to it, name it under `needs` of its caller, or remove it"),
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
