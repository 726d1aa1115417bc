//! AG045: every copy lies in one zone.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(45),
    title: "all copies of a store are in one zone",
    why: "Copies protect from the loss of a machine. Only copies in several failure domains protect from the loss of a rack, a power feed or a data centre.",
    fix: "Declare the failure domains that there are under `zones:`; copies are spread over them by themselves.",
    before: r#"zones: [eu-a]
stores:
  cache: { kind: redis, version: "7.2", nodes: 2 }
services:
  user: { port: 9300, replicas: 3 }
"#,
    after: r#"zones: [eu-a, eu-b]
stores:
  cache: { kind: redis, version: "7.2", nodes: 2 }
services:
  user: { port: 9300, replicas: 3 }
"#,
};

/// A spec that declares exactly one zone and more than one instance of something. Copies above the number of zones are
/// AG041's business.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let Some(zones) = context.spec.zones.as_ref().filter(|z| z.value.len() == 1) else { return };
    let many = context.services.iter().zip(&context.topology.services).filter(|(_, s)| s.replicas > 1);
    let mut names: Vec<_> = many.map(|(n, _)| &n.name).collect();
    let stores = context.stores.iter().zip(&context.topology.stores).filter(|(_, s)| !s.embedded && s.nodes > 1);
    names.extend(stores.map(|(n, _)| &n.name));
    if names.is_empty() {
        return;
    }
    let zone = &zones.value[0];
    let message = format!("every instance is in the one zone `{}`", zone.value);
    let mut fault = Diagnostic::warning(EXPLANATION.code, zone.span, message)
        .with_help("declare more failure domains under `zones:`; instances and copies are spread over them");
    for name in names.iter().take(RELATED_MAX) {
        fault = fault.with_related(name.span, "all of its instances are there");
    }
    out.push(fault);
}

/// Most places that are named beside the zone.
const RELATED_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
