//! AG049: a declared zone gets nothing.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(49),
    title: "a zone holds nothing",
    why: "Instances take the zones in turn. With fewer instances of everything than zones, the last ones stay empty: the spec promises a failure domain that carries nothing.",
    fix: "Remove the zone, or add instances.",
    before: r#"zones: [eu-a, eu-b, eu-c]
services:
  user: { port: 9300, replicas: 2 }
"#,
    after: r#"zones: [eu-a, eu-b]
services:
  user: { port: 9300, replicas: 2 }
"#,
};

/// Zones beyond the largest number of instances of anything. A system of single instances does not spread at all.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(zones) = &context.spec.zones else { return };
    let topology = context.topology;
    let counts = [
        topology.registry.as_ref().map_or(0, |r| r.servers),
        topology.realtime.as_ref().map_or(0, |r| r.replicas),
        topology.gateway.as_ref().map_or(0, |g| g.replicas),
    ];
    let services = topology.services.iter().map(|s| s.replicas);
    let most = services.chain(topology.stores.iter().map(|s| s.nodes)).chain(counts).max().unwrap_or(0);
    // Where parts are embedded the system runs on one machine, which is in no zone.
    let laptop = topology.stores.iter().any(|s| s.embedded) || topology.gateway.as_ref().is_some_and(|g| g.embedded);
    if most < 2 || laptop {
        return;
    }
    for zone in zones.value.iter().skip(most as usize) {
        let message =
            format!("nothing lies in the zone `{}`: there are at most {most} instances of anything", zone.value);
        out.push(
            Diagnostic::warning(EXPLANATION.code, zone.span, message).with_help("remove the zone, or add instances"),
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
