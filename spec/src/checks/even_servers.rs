//! AG048: an even number of voters.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(48),
    title: "an even number of registry servers",
    why: "Consul's servers decide by majority. Four survive the loss of one, just as three do, and with two the loss of either stops both: the even one costs a machine and adds a way to fail.",
    fix: "Run 1 server where it may be away, else 3 or 5.",
    before: r#"registry: { kind: consul, servers: 4 }
"#,
    after: r#"registry: { kind: consul, servers: 3 }
"#,
};

/// The registry's servers.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let (Some(written), Some(registry)) = (&context.spec.registry, &context.topology.registry) else { return };
    if registry.servers.is_multiple_of(2) {
        let span = written.value.servers.as_ref().map_or(written.value.here, |s| s.span);
        let better = registry.servers + 1;
        let message = format!("{} registry servers vote no better than {}", registry.servers, registry.servers - 1);
        out.push(
            Diagnostic::warning(EXPLANATION.code, span, message)
                .with_help(format!("run {better}, or {}", registry.servers - 1)),
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
