//! AG033: two components share a name.

use std::collections::BTreeMap;

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(33),
    title: "a name is declared twice",
    why: "Services and stores share one name space with `gateway`, `realtime` and `registry`: names become host names, and `needs: [x]` must mean one thing.",
    fix: "Rename one of the two. Zones, policies and tests must differ among themselves as well.",
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

fn twice<'a>(what: &str, names: impl Iterator<Item = (&'a str, Span)>, out: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for (name, span) in names {
        if let Some(first) = seen.insert(name, span) {
            let fault = Diagnostic::error(EXPLANATION.code, span, format!("the {what} `{name}` is declared twice"));
            out.push(fault.with_help("rename or remove one of the two").with_related(first, "first declared here"));
        }
    }
}

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
    let zones = context.spec.zones.iter().flat_map(|z| &z.value);
    twice("zone", zones.map(|z| (z.value.as_str(), z.span)), out);
    let policies = context.spec.policies.iter().flat_map(|p| &p.value).filter_map(|p| p.value.id.as_ref());
    twice("policy", policies.map(|id| (id.value.0.as_str(), id.span)), out);
    let tests = context.spec.tests.iter().flat_map(|t| &t.value).filter_map(|t| t.value.id.as_ref());
    twice("test", tests.map(|id| (id.value.0.as_str(), id.span)), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn ids_of_policies_and_tests_differ_and_both_places_are_shown() {
        let loaded = crate::checks::testing::loaded(
            "zones: [a, b, a]\npolicies:\n  - { id: x, check: \"1 < 2\" }\n  - { id: x, check: \"1 < 3\" }\n\
             tests:\n  - { id: x, check: \"1 < 2\" }\n  - { id: y, check: \"1 < 2\" }\n  - { id: x, check: \"1 < 3\" }\n",
        );
        let line = |span: Span| loaded.sources.position(span.file, span.start).line;
        let said: Vec<(usize, usize, &str)> = loaded
            .diagnostics
            .iter()
            .filter(|d| d.code == EXPLANATION.code)
            .map(|d| (line(d.primary), line(d.related[0].0), d.message.as_str()))
            .collect();
        let wanted = [
            (3, 3, "the zone `a` is declared twice"),
            (6, 5, "the policy `x` is declared twice"),
            (10, 8, "the test `x` is declared twice"),
        ];
        assert_eq!(said, wanted);
    }
}
