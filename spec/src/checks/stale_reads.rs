//! AG081: a read that may miss what was just written.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::Consistency;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(81),
    title: "reads may miss acknowledged writes",
    why: "A read sees every acknowledged write only where the copies that are asked and the copies that answered the write overlap: write + read > copies. Below that a person reloads and the message that was just sent is gone, for a while.",
    fix: "Write and read with `quorum`, or one of them with `all`.",
    before: r#"stores:
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 6
    replication: { eu: 3 }
    consistency: { write: one, read: one }
"#,
    after: r#"stores:
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 6
    replication: { eu: 3 }
    consistency: { write: quorum, read: quorum }
"#,
};

/// Cassandra stores with several copies.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (written, store) in context.stores.iter().zip(&context.topology.stores) {
        let Some(pair) = written.value.consistency.as_ref().filter(|_| !store.embedded && store.copies > 1) else {
            continue;
        };
        let asked = |c: Consistency| match c {
            Consistency::One => 1,
            Consistency::Quorum => store.copies / 2 + 1,
            Consistency::All => store.copies,
        };
        let (write, read) = (asked(store.consistency.0), asked(store.consistency.1));
        if write + read <= store.copies {
            let message = format!(
                "a read asks {read} of {} copies and a write waits for {write}: `{}` may answer without the last write",
                store.copies, store.name
            );
            out.push(
                Diagnostic::warning(EXPLANATION.code, pair.span, message)
                    .with_help("write `consistency: { write: quorum, read: quorum }`"),
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
