//! AG033: two components share a name.

use std::collections::BTreeMap;

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(33),
    title: "two components share a name",
    why: "Services and stores share one name space with `gateway`, `realtime` and `registry`: names become host names, and `needs: [x]` must mean one thing.",
    fix: "Rename one of the two.",
    before: r#"services:
  search: { port: 9600 }
stores:
  search: { kind: elasticsearch, version: "8.15" }
"#,
    after: r#"services:
  search: { port: 9600 }
stores:
  index: { kind: elasticsearch, version: "8.15" }
"#,
};

const RESERVED: [&str; 3] = ["gateway", "realtime", "registry"];

/// Names of services and stores against each other and against the reserved ones.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let names = context.services.iter().map(|s| &s.name).chain(context.stores.iter().map(|s| &s.name));
    for name in names {
        let text = name.value.as_str();
        if RESERVED.contains(&text) {
            let fault = Diagnostic::error(EXPLANATION.code, name.span, format!("the name `{text}` is reserved"));
            out.push(fault.with_help(format!("`{text}` is a section of its own; give this another name")));
        } else if let Some(first) = seen.insert(text, name.span) {
            let fault = Diagnostic::error(EXPLANATION.code, name.span, format!("`{text}` is declared twice"));
            out.push(fault.with_help("rename one of the two").with_related(first, "first declared here"));
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
