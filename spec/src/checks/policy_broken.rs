//! AG060: the system breaks a policy of its own. The grammar of policies is here, too.

use super::{Context, Explanation, bad_unit};
use crate::ast::{Level, Policy};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::lower::declared_copies;
use crate::source::Span;
use crate::topology::StoreKind;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(60),
    title: "a policy is broken",
    why: "A policy is a promise that the spec makes about itself: `every store.replicas >= 2`. `store.replicas` counts every copy, the first included, as declared for the real engine; S3 keeps its own copies and is not counted. `capacity.used` is judged by the capacity plan.",
    fix: "Change what the message points at, or the policy.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2 }
policies:
  - { id: spread, check: every store.replicas >= 2 }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2, replicas: 1 }
policies:
  - { id: spread, check: every store.replicas >= 2 }
"#,
};

const FORMS: &str = "`every SUBJECT OPERATOR NUMBER`: `store.replicas`, `store.nodes`, `service.replicas` or `capacity.used`; `>=`, `<=`, `>`, `<` or `==`; `2` or `70%`";

/// A figure that policies speak about.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    StoreReplicas,
    StoreNodes,
    ServiceReplicas,
    CapacityUsed,
}

const SUBJECTS: [(&str, Subject); 4] = [
    ("store.replicas", Subject::StoreReplicas),
    ("store.nodes", Subject::StoreNodes),
    ("service.replicas", Subject::ServiceReplicas),
    ("capacity.used", Subject::CapacityUsed),
];

type Comparison = fn(u32, u32) -> bool;

const OPERATORS: [(&str, Comparison); 5] =
    [(">=", |a, b| a >= b), ("<=", |a, b| a <= b), (">", |a, b| a > b), ("<", |a, b| a < b), ("==", |a, b| a == b)];

struct Rule {
    subject: Subject,
    holds: Comparison,
    bound: u32,
}

fn rule(text: &str) -> Option<Rule> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let ["every", subject, operator, bound] = words.as_slice() else { return None };
    let (_, subject) = SUBJECTS.iter().find(|(word, _)| word == subject)?;
    let (_, holds) = OPERATORS.iter().find(|(word, _)| word == operator)?;
    let share = bound.strip_suffix('%');
    if share.is_some() != (*subject == Subject::CapacityUsed) {
        return None;
    }
    let bound = share.unwrap_or(bound).parse().ok()?;
    Some(Rule { subject: *subject, holds: *holds, bound })
}

/// Every figure of a subject: whose, how much, where it is declared.
fn figures<'a>(context: &Context<'a>, subject: Subject) -> Vec<(&'a str, u32, Span)> {
    // A store whose kind is not known has been reported and has no figures.
    let stores = context.stores.iter().zip(&context.topology.stores).filter(|(named, _)| named.value.kind.is_some());
    match subject {
        Subject::StoreReplicas => stores
            .filter(|(_, model)| model.kind != StoreKind::S3)
            .map(|(named, model)| (named, declared_copies(&named.value, model.kind, &model.datasets)))
            .map(|(named, copies)| (named.name.value.as_str(), copies, named.name.span))
            .collect(),
        Subject::StoreNodes => {
            stores.map(|(named, model)| (named.name.value.as_str(), model.nodes, named.name.span)).collect()
        }
        Subject::ServiceReplicas => {
            let services = context.services.iter().zip(&context.topology.services);
            services.map(|(named, model)| (named.name.value.as_str(), model.replicas, named.name.span)).collect()
        }
        Subject::CapacityUsed => Vec::new(),
    }
}

/// Judges every policy.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for policy in context.spec.policies.iter().flat_map(|p| &p.value) {
        judge(context, &policy.value, out);
    }
}

fn judge(context: &Context<'_>, policy: &Policy, out: &mut Vec<Diagnostic>) {
    let Some(text) = &policy.check else { return };
    let Some(rule) = rule(&text.value) else {
        out.push(bad_unit::at(text.span, &text.value, "a policy", FORMS));
        return;
    };
    let broken = figures(context, rule.subject).into_iter().filter(|(_, figure, _)| !(rule.holds)(*figure, rule.bound));
    let broken: Vec<(&str, u32, Span)> = broken.collect();
    if broken.is_empty() {
        return;
    }
    let id = policy.id.as_ref().map_or("", |id| id.value.0.as_str());
    let names: Vec<String> = broken.iter().map(|(name, figure, _)| format!("`{name}` has {figure}")).collect();
    let message = format!("the policy `{id}` is broken: {}", names.join(", "));
    let mut fault =
        Diagnostic::error(EXPLANATION.code, text.span, message).with_help("change what is marked, or the policy");
    if policy.level.as_ref().is_some_and(|l| l.value == Level::Warn) {
        fault.severity = Severity::Warning;
    }
    for (name, figure, span) in broken {
        fault = fault.with_related(span, format!("`{name}` has {figure}"));
    }
    out.push(fault);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn only_the_grammar_is_accepted() {
        for good in ["every store.replicas >= 2", "every capacity.used <= 70%", "every service.replicas == 1"] {
            assert!(rule(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "every store.replicas >= 2%",
            "every capacity.used <= 70",
            "some store.nodes > 1",
            "every store.size > 1",
        ] {
            assert!(rule(bad).is_none(), "{bad}");
        }
    }
}
