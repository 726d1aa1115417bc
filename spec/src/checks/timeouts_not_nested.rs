//! AG071: a caller that gives up before what it calls.

use std::time::Duration;

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::topology::Need;
use crate::units::{Period, Unit};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(71),
    title: "timeouts that do not nest",
    why: "The gateway must wait longer than the service, and the service longer than the store, with room for its retries. Where the caller gives up first, the work behind it goes on for nobody: under load everybody waits, gives up and asks again, and the answers that come are thrown away.",
    fix: "Shorten the inner timeout, or lengthen the outer one; count the retries in.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  routes: { /api: { to: user, auth: none, timeout: 5s } }
services:
  user: { port: 9300, timeout: 8s }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  routes: { /api: { to: user, auth: none, timeout: 10s } }
services:
  user: { port: 9300, timeout: 8s }
"#,
};

/// One end of a call.
struct End<'a> {
    name: &'a str,
    timeout: Duration,
    place: Span,
}

/// Every call whose both ends say how long they wait.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    let service = |index: usize| {
        let (model, written) = (&topology.services[index], &context.services[index]);
        let place = written.value.timeout.as_ref().map_or(written.name.span, |t| t.span);
        model.timeout.map(|timeout| End { name: &model.name, timeout, place })
    };
    let store = |index: usize| {
        let (model, written) = (&topology.stores[index], &context.stores[index]);
        let place = written.value.timeout.as_ref().map_or(written.name.span, |t| t.span);
        model.timeout.map(|timeout| End { name: &model.name, timeout, place })
    };
    let routes = context.spec.gateway.iter().flat_map(|g| &g.value.routes).flat_map(|r| &r.value);
    for written in routes {
        let model = topology.gateway.iter().flat_map(|g| &g.routes).find(|r| r.prefix == written.name.value);
        let Some((model, inner)) = model.and_then(|m| Some((m, service(m.to.0)?))) else { continue };
        let place = written.value.timeout.as_ref().map_or(written.name.span, |t| t.span);
        judge(&End { name: &written.name.value, timeout: model.timeout, place }, &inner, 0, out);
    }
    for (index, model) in topology.services.iter().enumerate() {
        let Some(outer) = service(index) else { continue };
        let mut seen = Vec::new();
        for need in &model.needs {
            let inner = match need {
                Need::Service(id) => service(id.0),
                Need::Store(id) => store(id.0),
                Need::Dataset(dataset) => store(dataset.store.0),
            };
            // Several tables of one store are one store.
            if let Some(inner) = inner.filter(|inner| !seen.contains(&inner.place)) {
                seen.push(inner.place);
                judge(&outer, &inner, model.retries.unwrap_or(0), out);
            }
        }
    }
}

fn judge(outer: &End<'_>, inner: &End<'_>, retries: u32, out: &mut Vec<Diagnostic>) {
    let tries = retries.saturating_add(1);
    let whole = inner.timeout.saturating_mul(tries);
    if outer.timeout > whole {
        return;
    }
    let (waits, answers) = (Period(outer.timeout).print(), Period(inner.timeout).print());
    let message = match tries {
        1 => format!("`{}` gives up after {waits}, and `{}` may take {answers}", outer.name, inner.name),
        _ => format!(
            "`{}` gives up after {waits}, and {tries} tries of `{}` may take {}",
            outer.name,
            inner.name,
            Period(whole).print()
        ),
    };
    out.push(
        Diagnostic::warning(EXPLANATION.code, outer.place, message)
            .with_help(format!(
                "wait longer than {}, or shorten the timeout of `{}`",
                Period(whole).print(),
                inner.name
            ))
            .with_related(inner.place, format!("`{}` may take {answers}", inner.name)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn retries_take_their_time() {
        let text = |timeout: &str| {
            format!(
                "services:\n  user: {{ port: 9300, timeout: {timeout}, retries: 2, needs: [cache] }}\nstores:\n  cache: {{ kind: redis, embedded: true, timeout: 1s }}\n"
            )
        };
        let found = |timeout: &str| crate::checks::testing::loaded(&text(timeout)).diagnostics;
        assert_eq!(found("4s"), []);
        assert_eq!(found("3s")[0].message, "`user` gives up after 3s, and 3 tries of `cache` may take 3s");
    }
}
