//! AG042: more copies than machines.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(42),
    title: "more copies than nodes",
    why: "A copy needs a machine of its own. With fewer nodes than copies the engine refuses the setting or never becomes healthy.",
    fix: "Add nodes, or keep fewer copies.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 1, replicas: 1 }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
"#,
};

/// Copies of each real store against its nodes.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for copies in context.copies() {
        if copies.copies > copies.nodes && !copies.nodes_unread {
            let message = format!(
                "`{}` keeps {} copies on {} node{}",
                copies.name,
                copies.copies,
                copies.nodes,
                if copies.nodes == 1 { "" } else { "s" }
            );
            let fault = Diagnostic::error(EXPLANATION.code, copies.span, message);
            let help = format!(
                "the smallest changes that make it possible: {} nodes, or {} cop{} of it",
                copies.copies,
                copies.nodes,
                if copies.nodes == 1 { "y" } else { "ies" }
            );
            out.push(fault.with_help(help).with_cause(copies.store));
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
