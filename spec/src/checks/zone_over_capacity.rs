//! AG101: the load does not fit while a zone is down.

use super::{Context, Explanation};
use crate::capacity;
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(101),
    title: "one zone down is more than the rest can carry",
    why: "When a zone fails, its clients come to the others within seconds. If those are too few, they fail as well: a small outage becomes a whole one.",
    fix: "Run so much that the zones that are left carry the peak: with three zones, half as much again.",
    before: r#"zones: [eu-a, eu-b, eu-c]
load: { users: 5M, online: 800k }
realtime: { kind: socketio, replicas: 4, connections_per_replica: 250k }
"#,
    after: r#"zones: [eu-a, eu-b, eu-c]
load: { users: 5M, online: 800k }
realtime: { kind: socketio, replicas: 6, connections_per_replica: 250k }
"#,
};

/// Limits that the loss of a zone lowers. What does not fit with every zone up is AG100's business.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for figure in capacity::uses(context.topology).into_iter().filter(|f| f.used <= 1.0) {
        let Some(down) = figure.used_one_zone_down.filter(|d| *d > 1.0) else { continue };
        let name = context.topology.component_name(figure.of);
        let message =
            format!("with one zone down `{name}` needs {} % of its {}", (down * 100.0).round(), figure.what.name());
        let mut fault = Diagnostic::warning(EXPLANATION.code, context.limit_place(&figure), message)
            .with_help("add replicas, so that the zones that are left carry the load");
        if let Some(zones) = &context.spec.zones {
            fault = fault.with_related(zones.span, "the zones");
        }
        out.push(fault);
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
