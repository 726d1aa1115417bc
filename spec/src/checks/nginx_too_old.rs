//! AG073: a directive that the declared nginx does not know.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::{Balance, Gateway};
use crate::units::Unit;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(73),
    title: "nginx is too old for what is asked of it",
    why: "nginx refuses its whole configuration for one directive that it does not know: the gateway does not start, or keeps running with the old one.",
    fix: "Declare the version that really runs; where it is older, upgrade it or leave out what the message names.",
    before: r#"secrets: { tls: "file:./tls" }
gateway:
  kind: nginx
  version: "1.18"
  auth: { by: user }
  tls: secret:tls
  routes:
    /api/v1/users: { to: user }
services:
  user: { port: 9300 }
"#,
    after: r#"secrets: { tls: "file:./tls" }
gateway:
  kind: nginx
  version: "1.22"
  auth: { by: user }
  tls: secret:tls
  routes:
    /api/v1/users: { to: user }
services:
  user: { port: 9300 }
"#,
};

/// A directive that the generated configuration uses, since when nginx has it (from the directive's page on nginx.org),
/// and which gateways get it.
struct Directive {
    name: &'static str,
    since: (u32, u32),
    used: fn(&Gateway) -> bool,
    why: &'static str,
}

const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "ssl_reject_handshake",
        since: (1, 19),
        used: |g| g.tls.is_some(),
        why: "`tls` refuses other host names with it",
    },
    Directive {
        name: "keepalive_requests",
        since: (1, 16),
        used: |_| true,
        why: "upstream connections are reused with it",
    },
    Directive {
        name: "ssl_protocols TLSv1.3",
        since: (1, 13),
        used: |g| g.tls.is_some(),
        why: "`tls` speaks 1.2 and 1.3",
    },
    Directive { name: "worker_shutdown_timeout", since: (1, 12), used: |_| true, why: "a reload drains with it" },
    Directive {
        name: "proxy_cache_background_update",
        since: (1, 12),
        used: |g| g.routes.iter().any(|r| r.micro_cache.is_some()),
        why: "`micro_cache` serves stale answers with it",
    },
    Directive {
        name: "auth_request",
        since: (1, 6),
        used: |g| g.auth.is_some(),
        why: "`auth` asks for each credential with it",
    },
    Directive {
        name: "hash … consistent",
        since: (1, 8),
        used: |g| g.routes.iter().any(|r| r.balance == Balance::ConsistentHash),
        why: "`balance: consistent_hash` is that directive",
    },
];

/// The declared version of a real nginx.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let (Some(written), Some(gateway)) = (&context.spec.gateway, &context.topology.gateway) else { return };
    let Some(version) = written.value.version.as_ref().filter(|_| !gateway.embedded) else { return };
    let newer = DIRECTIVES.iter().filter(|d| gateway.version < d.since && (d.used)(gateway));
    // One report: whoever upgrades for the newest gets the others, too.
    if let Some(newest) = newer.max_by_key(|d| d.since) {
        let (major, minor) = newest.since;
        let message = format!("nginx {} does not know `{}`", version.value.print(), newest.name);
        out.push(
            Diagnostic::error(EXPLANATION.code, version.span, message)
                .with_help(format!("it needs {major}.{minor} or later: {}", newest.why)),
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
    fn an_embedded_gateway_and_a_new_nginx_know_everything() {
        for (version, extra, expected) in
            [("1.22", "", 0), ("1.18", "", 0), ("1.14", "", 1), ("1.14", "embedded: true, ", 0)]
        {
            let text = format!(
                "gateway: {{ kind: nginx, {extra}version: \"{version}\", auth: {{ by: user }}, routes: {{ /a: {{ to: user }} }} }}\nservices:\n  user: {{ port: 9300 }}\n"
            );
            assert_eq!(crate::checks::testing::codes(&text).len(), expected, "{text}");
        }
    }
}
