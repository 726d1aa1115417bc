//! AG065: the day until which a policy was waived is past, and it is still broken.

use super::Explanation;
use super::rules::{Broken, Judged};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::units::{Date, Unit};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(65),
    title: "a waiver is over",
    why: "A waiver says that a broken promise is known, why, and until when that is so. The day is past and the promise still broken: the exception was about to become the rule without anybody deciding it. `archgen check` knows the day; a fleet that is started again from a kept spec does not ask for it.",
    fix: "Mend what the policy asks about, or decide again: a later day and the reason for it.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2 }
policies:
  - id: spread
    every: store
    check: store.replicas >= 2
    waive: { until: 2020-01-31, why: the second machine comes in January }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2", nodes: 2 }
policies:
  - id: spread
    every: store
    check: store.replicas >= 2
    waive: { until: 2040-01-31, why: the second machine comes in January }
"#,
};

/// A waived policy is still broken after the last day.
pub fn at(policy: &Judged<'_>, broken: &Broken, waiver: Span, until: Date) -> Diagnostic {
    let dash = if broken.what.is_empty() { "" } else { ": " };
    let id = policy.id;
    let message =
        format!("the waiver of `{id}` ended on {}, and the policy is broken{dash}{}", until.print(), broken.what);
    let mut fault = Diagnostic::error(EXPLANATION.code, waiver, message);
    fault.severity = policy.severity;
    fault = fault.with_related(policy.text.span, "this is broken");
    for (span, what) in &broken.places {
        fault = fault.with_related(*span, what.clone());
    }
    fault.with_help("mend what it asks about, or decide on a later day")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadError;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn the_last_day_counts_and_without_a_day_waivers_hold() {
        let text = format!("archgen: v1\nname: demo\n{}", EXPLANATION.before);
        let on = |day: &str| {
            let day = Date::parse(day).ok();
            let missing = |_: &str| Err(ReadError::Missing);
            let loaded = match day {
                Some(day) => crate::load_on(day, "t.yaml", text.clone(), None, &missing, &|_| None),
                None => crate::load("t.yaml", text.clone(), None, &missing, &|_| None),
            };
            loaded.diagnostics.len()
        };
        assert_eq!((on("2020-01-31"), on("2020-02-01"), on("never")), (0, 1, 0));
    }
}
