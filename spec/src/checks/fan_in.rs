//! AG037: many callers meet on one small service.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::Need;
use std::collections::BTreeSet;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(37),
    title: "many callers meet on a small service",
    why: "Every caller waits for the service that all of them need. With five callers or more and ten of their instances to one of its own, it is the first to saturate, and then everything is slow at once.",
    fix: "Give it more replicas, put a cache before it, or let callers read what they need from an event.",
    before: r#"services:
  user: { port: 9300 }
  ads: { kind: process, port: 9001, replicas: 4, command: [./ads], needs: [user] }
  billing: { kind: process, port: 9002, replicas: 4, command: [./billing], needs: [user] }
  crm: { kind: process, port: 9003, replicas: 4, command: [./crm], needs: [user] }
  data: { kind: process, port: 9004, replicas: 4, command: [./data], needs: [user] }
  export: { kind: process, port: 9005, replicas: 4, command: [./export], needs: [user] }
"#,
    after: r#"services:
  user: { port: 9300, replicas: 3 }
  ads: { kind: process, port: 9001, replicas: 4, command: [./ads], needs: [user] }
  billing: { kind: process, port: 9002, replicas: 4, command: [./billing], needs: [user] }
  crm: { kind: process, port: 9003, replicas: 4, command: [./crm], needs: [user] }
  data: { kind: process, port: 9004, replicas: 4, command: [./data], needs: [user] }
  export: { kind: process, port: 9005, replicas: 4, command: [./export], needs: [user] }
"#,
};

const CALLERS_MIN: usize = 5;
const INSTANCES_PER_INSTANCE_MAX: u64 = 10;

/// Services by how many others call them, and with how many instances.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    let mut callers: Vec<(usize, u64)> = vec![(0, 0); topology.services.len()];
    let realtime = topology.realtime.iter().map(|r| (&r.needs, r.replicas));
    for (needs, replicas) in topology.services.iter().map(|s| (&s.needs, s.replicas)).chain(realtime) {
        let called: BTreeSet<usize> =
            needs.iter().filter_map(|n| if let Need::Service(id) = n { Some(id.0) } else { None }).collect();
        for index in called {
            callers[index].0 += 1;
            callers[index].1 += u64::from(replicas);
        }
    }
    for ((named, service), (count, instances)) in context.services.iter().zip(&topology.services).zip(callers) {
        if count >= CALLERS_MIN && instances >= INSTANCES_PER_INSTANCE_MAX * u64::from(service.replicas) {
            let own = service.replicas;
            let message = format!(
                "{count} callers with {instances} instances meet on {own} instance{} of `{}`",
                if own == 1 { "" } else { "s" },
                service.name
            );
            let span = named.value.replicas.as_ref().map_or(named.name.span, |r| r.span);
            let enough = instances.div_ceil(INSTANCES_PER_INSTANCE_MAX) + 1;
            out.push(Diagnostic::warning(EXPLANATION.code, span, message).with_help(format!(
                "give it {enough} replicas or more, or let callers read what they need from an event"
            )));
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
