//! AG100: the declared load does not fit.

use super::{Context, Explanation};
use crate::ast::Policy;
use crate::capacity::{self, Limited};
use crate::diagnostic::{Code, Diagnostic};
use crate::expression::Subject;
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(100),
    title: "the load is above the capacity",
    why: "What the spec says about load and about machines contradicts itself: at the declared peak connections are refused or disks are full.",
    fix: "Add nodes or replicas, or larger ones; or declare the load that is really meant.",
    before: r#"load: { users: 5M, online: 800k }
realtime: { kind: socketio, replicas: 3, connections_per_replica: 250k }
"#,
    after: r#"load: { users: 5M, online: 800k }
realtime: { kind: socketio, replicas: 5, connections_per_replica: 250k }
"#,
};

/// Share above which it is time to add machines, unless a policy says another.
const HEADROOM: f64 = 0.8;

/// Every declared limit against the declared load: an error above all of it, a warning above the headroom.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let asks = |p: &Policy| {
        let each = p.every.as_ref().is_some_and(|e| e.value == Subject::Capacity);
        each || p.check.as_ref().is_some_and(|c| c.value.contains(Subject::Capacity.plural()))
    };
    let ruled = context.spec.policies.iter().flat_map(|p| &p.value).any(|p| asks(&p.value));
    for figure in capacity::uses(context.topology) {
        let percent = (figure.used * 100.0).round();
        let name = context.topology.component_name(figure.of);
        let message = format!("`{name}` needs {percent} % of its {}", figure.what.name());
        let fault = match figure.used {
            used if used > 1.0 => Diagnostic::error(EXPLANATION.code, context.limit_place(&figure), message),
            used if used > HEADROOM && !ruled => {
                Diagnostic::warning(EXPLANATION.code, context.limit_place(&figure), message)
            }
            _ => continue,
        };
        let fault = fault.with_help("add nodes or replicas, or larger ones; or declare less load");
        let fault = match &context.spec.load {
            Some(load) => fault.with_related(load.span, "under this load"),
            None => fault,
        };
        out.push(match assumed(context, &figure) {
            Some(place) => fault.with_related(place, "this says no `connections_per_replica`: 10k are assumed"),
            None => fault,
        });
    }
}

/// The section that leaves a limit to its default.
fn assumed(context: &Context<'_>, figure: &capacity::Use) -> Option<Span> {
    let realtime = &context.spec.realtime.as_ref()?.value;
    let default = figure.what == Limited::Connections && realtime.connections_per_replica.is_none();
    default.then_some(realtime.here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
