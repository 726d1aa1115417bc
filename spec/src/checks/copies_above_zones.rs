//! AG041: more copies than failure domains.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(41),
    title: "more copies than zones",
    why: "Two copies in one zone die together. With more copies than zones, some zone holds two, and the extra copy protects from less than it costs.",
    fix: "Declare more zones, or fewer copies.",
    before: r#"zones: [eu-a, eu-b]
stores:
  cache: { kind: redis, version: "7.2", nodes: 6, replicas: 2 }
"#,
    after: r#"zones: [eu-a, eu-b, eu-c]
stores:
  cache: { kind: redis, version: "7.2", nodes: 6, replicas: 2 }
"#,
};

/// Copies of each real store against the declared zones. A spec without zones makes no promise about them, and an
/// embedded store has one copy.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(zones) = &context.spec.zones else { return };
    let available = zones.value.len();
    // How many zones an item stands for that could not be read, nobody knows; that there is none has been reported.
    if zones.value.is_empty() || context.spec.unread.iter().any(|path| path.starts_with("zones.")) {
        return;
    }
    for copies in context.copies() {
        if copies.copies as usize > available {
            let message = format!(
                "`{}` keeps {} copies in {available} zone{}",
                copies.name,
                copies.copies,
                if available == 1 { "" } else { "s" }
            );
            let fault = Diagnostic::error(EXPLANATION.code, copies.span, message);
            let help = format!(
                "the smallest changes that make it possible: {} more in `zones`, or {available} cop{} of it",
                copies.copies as usize - available,
                if available == 1 { "y" } else { "ies" }
            );
            let fault = fault.with_help(help).with_cause(format!("{} copies", copies.copies));
            out.push(fault.with_related(zones.span, "zones declared here"));
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
