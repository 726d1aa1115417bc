//! Services, and who may speak to whom: exactly those that call each other.

use archgen_spec::topology::{Component, Topology};

use crate::context::observe::exporter;
use crate::render::{Data, data};
use crate::system::System;

use super::manifests::{EXPORTER_PORT_NAME, PORT_NAME, labels, matched, metadata, selector};

/// What holds for the whole namespace: nothing may speak to anything, except to the cluster's name servers.
pub(super) fn shared(topology: &Topology) -> Vec<Data<'_>> {
    let policy = |name: &'static str, spec: Data<'static>| {
        data!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata(topology, name, None),
            "spec": spec,
        })
    };
    let names = data!({
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
            "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
        }],
    });
    vec![
        policy("default-deny", data!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})),
        policy("name-servers", names),
    ]
}

fn port(topology: &Topology, component: Component) -> u16 {
    topology.component_instances(component).first().map_or(0, |i| i.port)
}

/// The headless service that names each instance, and the public one of what clients connect to.
pub(super) fn services(topology: &Topology, component: Component) -> Vec<Data<'_>> {
    let name = topology.component_name(component);
    let port = port(topology, component);
    let mut ports = vec![data!({"name": PORT_NAME, "port": port, "targetPort": PORT_NAME})];
    let headless = data!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(topology, name, Some(name)),
        "spec": {
            "clusterIP": "None",
            // An instance is found by its peers before it is ready: that is how clusters form.
            "publishNotReadyAddresses": true,
            "selector": matched(topology, name),
            "ports": ports.clone(),
        },
    });
    if !matches!(component, Component::Gateway | Component::Realtime) {
        return vec![headless];
    }
    // Clients come to the edge in nginx where there is one, for it keeps a session at its node.
    let edge = topology.gateway.as_ref().is_some_and(|g| !g.embedded);
    if component == Component::Realtime && edge {
        return vec![headless];
    }
    if component == Component::Gateway
        && edge
        && let Some(realtime) = &topology.realtime
    {
        ports.push(data!({"name": "realtime", "port": realtime.port, "targetPort": "realtime"}));
    }
    let public = data!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(topology, format!("{name}-public"), Some(name)),
        "spec": {
            "type": "LoadBalancer",
            // Limits per address need the caller's own.
            "externalTrafficPolicy": "Local",
            "selector": matched(topology, name),
            "ports": ports,
        },
    });
    vec![headless, public]
}

/// Who may call a component and whom it may call.
pub(super) fn policy<'a>(system: &'a System<'_>, component: Component) -> Data<'a> {
    let topology = system.topology;
    let name = topology.component_name(component);
    let edge = topology.gateway.as_ref().is_some_and(|g| !g.embedded);
    // Instances of a component speak to each other: a store's nodes, a registry's servers, owners of shards.
    let mut from = vec![peer(topology, name)];
    from.extend(system.callers(component).iter().map(|c| peer(topology, topology.component_name(*c))));
    let mut ingress = vec![data!({"from": from, "ports": [{"protocol": "TCP", "port": PORT_NAME}]})];
    // Nodes of an engine have ports among themselves that the spec need not know.
    if matches!(component, Component::Store(_) | Component::Registry) {
        ingress.push(data!({"from": [peer(topology, name)]}));
    }
    let scraper = data!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    let exported = component == Component::Gateway && exporter(topology).is_some();
    let asked = if exported { EXPORTER_PORT_NAME } else { PORT_NAME };
    ingress.push(data!({"from": [scraper], "ports": [{"protocol": "TCP", "port": asked}]}));
    let public = component == Component::Gateway || (component == Component::Realtime && !edge);
    if public {
        ingress.push(data!({"ports": open_ports(topology, component, edge)}));
    }
    let mut egress: Vec<Data<'_>> = vec![data!({"to": [peer(topology, name)]})];
    egress.extend(topology.component_calls(component).into_iter().flat_map(|called| way(topology, called)));
    data!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": &topology.name, "labels": labels(topology, Some(name))},
        "spec": {
            "podSelector": selector(topology, name),
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    })
}

/// The ways to a component: to its pods, or to each of its servers outside of the cluster. A policy knows addresses and no names, so
/// that to a name the port alone is said.
fn way<'a>(topology: &'a Topology, to: Component) -> Vec<Data<'a>> {
    let named = |to: Option<Data<'a>>, port: u16| {
        let ports = data!([{"protocol": "TCP", "port": port}]);
        match to {
            Some(to) => data!({"to": [to], "ports": ports}),
            None => data!({ "ports": ports }),
        }
    };
    if let Some(first) = topology.component_instances(to).first() {
        return vec![named(Some(peer(topology, topology.component_name(to))), first.port)];
    }
    let endpoints: &[String] = match to {
        Component::Store(id) => &topology.store(id).endpoints,
        Component::Registry => topology.registry.as_ref().map_or(&[], |r| &r.endpoints),
        _ => &[],
    };
    let mut ways = Vec::new();
    for endpoint in endpoints {
        let Some((host, port)) = endpoint.rsplit_once(':') else { continue };
        let Ok(port) = port.parse() else { continue };
        let block = is_address(host).then(|| data!({"ipBlock": {"cidr": format!("{host}/32")}}));
        let way = named(block, port);
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

/// Whether a host is an IPv4 address; any other is a name, for the spec knows no third form.
fn is_address(host: &str) -> bool {
    host.split('.').count() == 4 && host.split('.').all(|part| part.parse::<u8>().is_ok())
}

fn open_ports(topology: &Topology, component: Component, edge: bool) -> Vec<Data<'static>> {
    let mut open = vec![data!({"protocol": "TCP", "port": PORT_NAME})];
    if component == Component::Gateway && edge && topology.realtime.is_some() {
        open.push(data!({"protocol": "TCP", "port": "realtime"}));
    }
    open
}

fn peer<'a>(topology: &'a Topology, component: &'a str) -> Data<'a> {
    data!({"podSelector": selector(topology, component)})
}
