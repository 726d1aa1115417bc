//! AG026: a profile that nothing takes.

use super::{Context, Explanation};
use crate::ast::{Field, Name};
use crate::diagnostic::{Code, Diagnostic};
use std::collections::BTreeSet;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(26),
    title: "nothing takes a profile",
    why: "Its keys apply to nothing. Mostly a service or store forgot to say `profile:`, and runs with the defaults while the spec looks as if it had more.",
    fix: "Take it where it was meant, or remove it.",
    before: r#"profiles:
  steady: { replicas: 3, stop_within: 60s }
services:
  user: { port: 9300 }
"#,
    after: r#"profiles:
  steady: { replicas: 3, stop_within: 60s }
services:
  user: { profile: steady, port: 9300 }
"#,
};

/// Profiles against what services, stores and other profiles take.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let profiles = context.spec.profiles.as_ref().map_or(&[][..], |p| p.value.as_slice());
    let name = |taken: &Field<Name>| taken.as_ref().map(|t| t.value.0.clone());
    let services = context.services.iter().filter_map(|s| name(&s.value.profile));
    let stores = context.stores.iter().filter_map(|s| name(&s.value.profile));
    let others = profiles.iter().filter_map(|p| name(&p.value.profile));
    let taken: BTreeSet<String> = services.chain(stores).chain(others).collect();
    for profile in profiles.iter().filter(|p| !taken.contains(&p.name.value)) {
        let message = format!("nothing takes the profile `{}`", profile.name.value);
        let help = format!("say `profile: {}` where it is meant, or remove it", profile.name.value);
        out.push(Diagnostic::warning(EXPLANATION.code, profile.name.span, message).with_help(help));
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
