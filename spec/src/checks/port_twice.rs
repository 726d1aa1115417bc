//! AG040: two components listen on one port.

use std::collections::BTreeMap;

use super::{Context, Explanation};
use crate::ast::Port;
use crate::diagnostic::{Code, Diagnostic};
use crate::lower::default_port;
use crate::source::{Span, Spanned};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(40),
    title: "a port is used twice",
    why: "On one machine every component needs a port of its own, and in logs and firewalls a port should mean one thing.",
    fix: "Give one of the two another port.",
    before: r#"services:
  user: { port: 9300 }
  search: { port: 9300 }
"#,
    after: r#"services:
  user: { port: 9300 }
  search: { port: 9600 }
"#,
};

/// Ports that the spec says, and the defaults of gateway, realtime and registry. Default ports of stores do not count,
/// written or not: they are their engines' own, and each node has its own address.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let spec = context.spec;
    let topology = context.topology;
    let mut used: Vec<(u16, String, Span)> = Vec::new();
    let mut add = |port: u16, name: &str, written: Option<&Spanned<Port>>, otherwise: Span| {
        used.push((port, name.to_owned(), written.map_or(otherwise, |p| p.span)));
    };
    if let (Some(gateway), Some(model)) = (&spec.gateway, &topology.gateway) {
        add(model.port, "gateway", gateway.value.port.as_ref(), gateway.value.here);
    }
    if let Some(exporter) = spec.gateway.as_ref().and_then(|g| g.value.exporter.as_ref()) {
        add(exporter.value.0, "gateway.exporter", Some(exporter), exporter.span);
    }
    if let (Some(realtime), Some(model)) = (&spec.realtime, &topology.realtime) {
        add(model.port, "realtime", realtime.value.port.as_ref(), realtime.value.here);
    }
    if let (Some(registry), Some(model)) = (&spec.registry, &topology.registry) {
        add(model.port, "registry", registry.value.port.as_ref(), registry.value.here);
    }
    let services = context.services.iter().map(|s| (s, s.value.port.as_ref()));
    for (service, port) in services {
        if let Some(port) = port {
            add(port.value.0, &service.name.value, Some(port), port.span);
        }
    }
    for (store, model) in context.stores.iter().zip(&topology.stores) {
        let own = default_port(model.kind);
        if let Some(port) = store.value.port.as_ref().filter(|port| port.value.0 != own) {
            add(port.value.0, &store.name.value, Some(port), port.span);
        }
    }
    let free = next_free(used.iter().map(|(port, ..)| *port));
    let mut first: BTreeMap<u16, (String, Span)> = BTreeMap::new();
    for (port, name, span) in used {
        match first.get(&port) {
            None => {
                first.insert(port, (name, span));
            }
            Some((other, place)) => {
                let fault = Diagnostic::error(
                    EXPLANATION.code,
                    span,
                    format!("port {port} of `{name}` is already the port of `{other}`"),
                );
                let fault = match free[usize::from(port)] {
                    Some(free) => fault.with_help(format!("{free} is free")),
                    None => fault,
                };
                out.push(fault.with_related(*place, format!("port of `{other}`")));
            }
        }
    }
}

/// For each port the first from there on that nothing uses.
fn next_free(used: impl Iterator<Item = u16>) -> Vec<Option<u16>> {
    let mut next: Vec<Option<u16>> = (0..=u16::MAX).map(Some).collect();
    for port in used {
        next[usize::from(port)] = None;
    }
    for port in (0..usize::from(u16::MAX)).rev() {
        next[port] = next[port].or(next[port + 1]);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_is_what_nothing_uses() {
        let next = next_free([80, 81, 83, u16::MAX].into_iter());
        assert_eq!([next[79], next[80], next[81], next[83]], [Some(79), Some(82), Some(82), Some(84)]);
        assert_eq!(next[usize::from(u16::MAX)], None);
    }

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
