//! AG072: retries that multiply along a path.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::topology::{Component, Need, Service, StoreId};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(72),
    title: "retries that multiply",
    why: "Each layer that tries again multiplies what the layers below it see: three tries at the gateway, three in a service and three in the next are 27 requests at the store for one of a person. What is in trouble gets the most load exactly then, and does not come back.",
    fix: "Try again in one layer only, the one nearest to the caller that can tell whether it helps; say `retries: 0` elsewhere.",
    before: r#"gateway:
  kind: nginx
  version: "1.22"
  routes: { /api: { to: messaging, auth: none, retries: 2 } }
services:
  messaging: { port: 9200, retries: 2, needs: [user] }
  user: { port: 9300, retries: 2, needs: [cache] }
stores:
  cache: { kind: redis, version: "7.2" }
"#,
    after: r#"gateway:
  kind: nginx
  version: "1.22"
  routes: { /api: { to: messaging, auth: none, retries: 2 } }
services:
  messaging: { port: 9200, needs: [user] }
  user: { port: 9300, retries: 2, needs: [cache] }
stores:
  cache: { kind: redis, version: "7.2" }
"#,
};

/// Requests that one request may become.
const REQUESTS_MAX: u64 = 10;

/// Tries of each call that a service makes, as far as the spec says.
fn tries(service: &Service) -> u64 {
    u64::from(service.retries.unwrap_or(0)) + 1
}

/// What one request at a service may become below it, and where the worst of it goes.
#[derive(Clone, Copy)]
struct Worst {
    requests: u64,
    next: Option<Next>,
}

#[derive(Clone, Copy)]
enum Next {
    Service(usize),
    Store(StoreId),
}

/// The worst path of every service, callees first, without recursion. `None` where services need each other in a circle, which is
/// reported elsewhere.
fn worst(context: &Context<'_>) -> Option<Vec<Worst>> {
    let services = &context.topology.services;
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); services.len()];
    let mut waiting: Vec<usize> = vec![0; services.len()];
    for (index, service) in services.iter().enumerate() {
        for need in &service.needs {
            if let Need::Service(id) = need {
                callers[id.0].push(index);
                waiting[index] += 1;
            }
        }
    }
    let mut found = vec![Worst { requests: 1, next: None }; services.len()];
    let mut ready: Vec<usize> = (0..services.len()).filter(|i| waiting[*i] == 0).collect();
    let mut done = 0;
    while let Some(index) = ready.pop() {
        done += 1;
        let tries = tries(&services[index]);
        for need in &services[index].needs {
            let (below, next) = match need {
                Need::Service(id) => (found[id.0].requests, Next::Service(id.0)),
                Need::Store(id) => (1, Next::Store(*id)),
                Need::Dataset(dataset) => (1, Next::Store(dataset.store)),
            };
            let requests = tries.saturating_mul(below);
            if found[index].next.is_none() || requests > found[index].requests {
                found[index] = Worst { requests, next: Some(next) };
            }
        }
        for caller in &callers[index] {
            waiting[*caller] -= 1;
            if waiting[*caller] == 0 {
                ready.push(*caller);
            }
        }
    }
    (done == services.len()).then_some(found)
}

/// Routes, and services that nobody calls, with everything below them. Of several ways into one service the worst is reported.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let topology = context.topology;
    if topology.services.iter().all(|s| tries(s) == 1) {
        return;
    }
    let Some(found) = worst(context) else { return };
    let written = context.spec.gateway.as_ref().and_then(|g| g.value.routes.as_ref());
    let written = written.map_or(&[][..], |r| r.value.as_slice());
    let mut called = vec![false; topology.services.len()];
    for need in topology.services.iter().flat_map(|s| &s.needs) {
        if let Need::Service(id) = need {
            called[id.0] = true;
        }
    }
    for index in 0..topology.services.len() {
        let routes = topology.gateway.iter().flat_map(|g| &g.routes).filter(|r| r.to.0 == index);
        let route = routes.max_by_key(|r| r.retries);
        if route.is_none() && called[index] {
            continue;
        }
        let tries = route.map_or(1, |r| u64::from(r.retries) + 1);
        let requests = tries.saturating_mul(found[index].requests);
        if requests <= REQUESTS_MAX {
            continue;
        }
        let place = route.and_then(|r| written.iter().find(|w| w.name.value == r.prefix));
        let place = place.map(|w| (w.value.retries.as_ref().map_or(w.name.span, |r| r.span), w.name.value.as_str()));
        let path = Path { requests, entry: place.map(|(span, prefix)| (span, prefix, tries)), first: index };
        out.push(path.told(context, &found));
    }
}

/// A path that is too much.
struct Path<'a> {
    requests: u64,
    /// The route's place, prefix and tries.
    entry: Option<(Span, &'a str, u64)>,
    first: usize,
}

/// Steps of a path that a message names.
const STEPS_MAX: usize = 12;

impl Path<'_> {
    fn told(&self, context: &Context<'_>, found: &[Worst]) -> Diagnostic {
        let topology = context.topology;
        let mut steps: Vec<String> = Vec::new();
        let mut places: Vec<(Span, String)> = Vec::new();
        if let Some((span, prefix, tries)) = self.entry {
            steps.push(format!("`{prefix}` ({tries})"));
            places.push((span, format!("{tries} tries here")));
        }
        let mut next = Some(Next::Service(self.first));
        while let Some(step) = next.take() {
            if steps.len() == STEPS_MAX {
                steps.push("…".to_owned());
                break;
            }
            match step {
                Next::Service(index) => {
                    let (model, written) = (&topology.services[index], &context.services[index]);
                    let tries = tries(model);
                    steps.push(format!("`{}` ({tries})", model.name));
                    if let Some(retries) = written.value.retries.as_ref().filter(|_| tries > 1) {
                        places.push((retries.span, format!("{tries} tries here")));
                    }
                    next = found[index].next;
                }
                Next::Store(id) => steps.push(format!("`{}`", topology.component_name(Component::Store(id)))),
            }
        }
        let message = format!("one request may become {}: {}", self.requests, steps.join(" → "));
        let span = places.first().map_or(context.services[self.first].name.span, |(span, _)| *span);
        let mut fault = Diagnostic::warning(EXPLANATION.code, span, message);
        for (span, what) in places.into_iter().skip(1) {
            fault = fault.with_related(span, what);
        }
        fault.with_help("try again in one layer only: the numbers in brackets are the tries of each, and they multiply")
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
    fn the_whole_path_and_its_product_are_printed() {
        let loaded = crate::checks::testing::loaded(EXPLANATION.before);
        let messages: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(messages, ["one request may become 27: `/api` (3) → `messaging` (3) → `user` (3) → `cache`"]);
    }
}
