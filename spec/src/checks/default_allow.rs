//! AG054: every service may call every other.

use super::{Context, Explanation};
use crate::ast::Acl;
use crate::diagnostic::{Code, Diagnostic, Fix};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(54),
    title: "access is allowed by default",
    why: "With `default-allow` whoever gets into one service reaches all of them. With `default-deny` exactly the calls that `needs` declares are allowed, and archgen writes those rules.",
    fix: "Say `acl: default-deny`, which is the default.",
    before: r#"registry: { kind: consul, servers: 3, acl: default-allow }
"#,
    after: r#"registry: { kind: consul, servers: 3, acl: default-deny }
"#,
};

/// The registry's `acl`.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let acl = context.spec.registry.as_ref().and_then(|r| r.value.acl.as_ref());
    if let Some(acl) = acl.filter(|a| a.value == Acl::DefaultAllow) {
        out.push(
            Diagnostic::warning(EXPLANATION.code, acl.span, "every service may call every other")
                .with_help("write `default-deny`: what `needs` declares is allowed by itself")
                .with_fix(Fix::replace(acl.span, "default-deny")),
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
}
