//! AG059: pages of every origin may use the API.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(59),
    title: "every page of the web may use the API",
    why: "With `\"*\"` a page that somebody is lured to can read what this gateway answers to that person's browser: what is open inside their network, and with a stolen token everything else. With `credentials: true` the browser would even send the person's cookies along; no browser accepts the two together, and gateways that echo every origin to get around it hand each visitor's session to any page.",
    fix: "List the origins of your own pages, one by one. Keep `\"*\"` for an API whose answers are public anyway, without `credentials`.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  cors: { origins: ["*"] }
  routes:
    /api/v1/users: { to: user, auth: none, limit: 5/s burst 10 }
services:
  user: { port: 9300 }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  cors: { origins: [https://app.example.org] }
  routes:
    /api/v1/users: { to: user, auth: none, limit: 5/s burst 10 }
services:
  user: { port: 9300 }
"#,
};

/// `gateway.cors.origins`: an error together with credentials, else a warning.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(cors) = context.spec.gateway.as_ref().and_then(|g| g.value.cors.as_ref()) else { return };
    let Some(any) = cors.value.origins.iter().flat_map(|o| &o.value).find(|o| o.value.0 == "*") else { return };
    let help = "list the origins of your own pages: `origins: [https://app.example.org]`";
    out.push(match cors.value.credentials.as_ref().filter(|c| c.value) {
        Some(credentials) => {
            let message = "every page of the web may use the API with its visitors' cookies";
            Diagnostic::error(EXPLANATION.code, any.span, message)
                .with_help(format!("{help}, or drop `credentials`"))
                .with_related(credentials.span, "cookies are sent along")
        }
        None => {
            Diagnostic::warning(EXPLANATION.code, any.span, "every page of the web may use the API").with_help(help)
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing;
    use crate::diagnostic::Severity;

    #[test]
    fn example_holds() {
        testing::holds(&EXPLANATION);
    }

    #[test]
    fn with_credentials_it_is_an_error() {
        let with = |cors: &str| testing::codes(&EXPLANATION.before.replace("{ origins: [\"*\"] }", cors));
        assert_eq!(with("{ origins: [https://a.example.org, \"*\"] }"), [(Code(59), Severity::Warning)]);
        assert_eq!(with("{ origins: [\"*\"], credentials: false }"), [(Code(59), Severity::Warning)]);
        assert_eq!(with("{ origins: [\"*\"], credentials: true }"), [(Code(59), Severity::Error)]);
        assert_eq!(with("{ origins: [https://a.example.org], credentials: true }"), []);
    }
}
