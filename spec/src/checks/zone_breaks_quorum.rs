//! AG046: the loss of one zone stops a store.

use super::{Context, Explanation};
use crate::capacity::left_of;
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(46),
    title: "one zone down breaks a quorum",
    why: "Zones fail as a whole. Where the copies that are left are too few for the declared consistency, every write is refused until the zone is back.",
    fix: "Keep three copies in three zones with `quorum` (two of three), or ask for less than every copy.",
    before: r#"zones: [eu-a, eu-b, eu-c]
stores:
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 6
    replication: { eu: 3 }
    consistency: { write: all, read: one }
"#,
    after: r#"zones: [eu-a, eu-b, eu-c]
stores:
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 6
    replication: { eu: 3 }
    consistency: { write: quorum, read: quorum }
"#,
};

/// Real stores with several copies, and the registry. With fewer than two zones there is nothing that one zone could
/// leave behind.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    let zones = topology.zones.len();
    for group in context.quorums().into_iter().filter(|_| zones > 1) {
        let left = left_of(group.copies, zones);
        // More copies than zones are reported as such.
        let crowded = group.what != "servers" && group.copies as usize > zones;
        if left < group.needed && !crowded {
            let message = format!(
                "one zone down leaves {left} of {} {} of `{}`, and {} are needed",
                group.copies, group.what, group.name, group.needed
            );
            let mut fault = Diagnostic::warning(EXPLANATION.code, group.span, message).with_help(group.advice);
            if let Some(zones) = &context.spec.zones {
                fault = fault.with_related(zones.span, "the zones");
            }
            out.push(fault);
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
