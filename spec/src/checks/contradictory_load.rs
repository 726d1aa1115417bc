//! AG102: a load that cannot be.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::units::Unit;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(102),
    title: "the load contradicts itself",
    why: "More people online than there are, or a peak below the mean: one of the two numbers is wrong, and every figure that follows from it, too.",
    fix: "Correct one of them.",
    before: r#"load: { users: 100k, online: 200k }
"#,
    after: r#"load: { users: 200k, online: 100k }
"#,
};

/// `online` against `users`, `peak` against `mean`.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(load) = context.spec.load.as_ref().map(|l| &l.value) else { return };
    if let (Some(users), Some(online)) = (&load.users, &load.online)
        && online.value.0 > users.value.0
    {
        let message = format!("{} people online of {} that there are", online.value.print(), users.value.print());
        let fault = Diagnostic::error(EXPLANATION.code, online.span, message).with_help("`online` is at most `users`");
        out.push(fault.with_related(users.span, "there are so many"));
    }
    let Some(messages) = load.messages.as_ref().map(|m| &m.value) else { return };
    if let (Some(mean), Some(peak)) = (&messages.mean, &messages.peak)
        && peak.value.per_second() < mean.value.per_second()
    {
        let message = format!("the peak {} is below the mean {}", peak.value.print(), mean.value.print());
        let fault = Diagnostic::error(EXPLANATION.code, peak.span, message).with_help("`peak` is at least `mean`");
        out.push(fault.with_related(mean.span, "the mean"));
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
    fn a_peak_below_the_mean_is_one_too() {
        let loaded = crate::checks::testing::loaded("load:\n  messages: { mean: 2k/s, peak: 1k/s }\n");
        assert_eq!(loaded.diagnostics[0].message, "the peak 1k/s is below the mean 2k/s");
    }
}
