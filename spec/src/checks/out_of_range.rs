//! AG014: a value of the right form is not possible.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(14),
    title: "a value is out of range",
    why: "The value is well formed, but no system can be built with it: a port above 65535, a probability above 1.",
    fix: "Choose a value within the bounds that the message names.",
    before: r#"realtime: { kind: socketio, port: 70000 }
"#,
    after: r#"realtime: { kind: socketio, port: 3000 }
"#,
};

/// `subject` breaks `bounds`.
pub fn at(span: Span, subject: &str, bounds: &str, found: Option<&str>) -> Diagnostic {
    let found = found.map_or_else(String::new, |f| format!(", found {}", f.chars().take(60).collect::<String>()));
    Diagnostic::error(EXPLANATION.code, span, format!("{subject} {bounds}{found}"))
}

/// Zones that are declared, and are none.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let unread = || context.spec.unread.iter().any(|path| path.starts_with("zones."));
    if let Some(zones) = context.spec.zones.as_ref().filter(|zones| zones.value.is_empty() && !unread()) {
        out.push(
            at(zones.span, "`zones`", "must name at least one zone", None).with_help("remove it where nobody cares"),
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

    #[test]
    fn a_negative_number_is_a_number_and_no_zone_is_no_zones() {
        let error = (EXPLANATION.code, crate::diagnostic::Severity::Error);
        assert_eq!(crate::checks::testing::codes("services:\n  user: { port: 9300, replicas: -1 }\n"), [error]);
        let text = "zones: []\nstores:\n  cache: { kind: redis, version: \"7.2\", nodes: 2, replicas: 1 }\nsim:\n  faults: [{ kind: zone-loss, zone: a }]\n";
        assert_eq!(crate::checks::testing::codes(text), [error]);
    }
}
