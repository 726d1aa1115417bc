//! AG047: a quorum that no copy may miss.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(47),
    title: "a quorum needs every copy",
    why: "A majority of two is two, and `min_insync` equal to `replicas` means all: the loss of any one machine stops all writes. Two copies then stop twice as often as one.",
    fix: "Keep three copies and ask for two of them.",
    before: r#"stores:
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { message: { replicas: 2, min_insync: 2, retain: 7d } } }
"#,
    after: r#"stores:
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { message: { replicas: 3, min_insync: 2, retain: 7d } } }
"#,
};

/// Groups of copies outside zones: with zones, AG046 says it better.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    if context.topology.zones.len() > 1 {
        return;
    }
    for group in context.quorums().into_iter().filter(|g| g.copies > 1 && g.needed == g.copies) {
        let message = format!("`{}` needs all {} {}: the loss of one stops it", group.name, group.copies, group.what);
        out.push(Diagnostic::warning(EXPLANATION.code, group.span, message).with_help(group.advice));
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
