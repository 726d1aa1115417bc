//! Config entries and prepared queries: who may call whom, by what protocol, and where to turn when a zone is gone.

use archgen_spec::topology::{Component, StoreKind, Topology};
use serde_json::{Map, Value, json};

use crate::system::System;

/// Exactly the components that call this one may do so.
pub(super) fn intentions(system: &System<'_>, to: Component, default_deny: bool) -> Value {
    let topology = system.topology;
    let callers = system.callers(to).iter();
    let mut sources: Vec<Value> =
        callers.map(|c| json!({"Name": topology.component_name(*c), "Action": "allow"})).collect();
    if default_deny {
        sources.push(json!({"Name": "*", "Action": "deny"}));
    }
    json!({"Kind": "service-intentions", "Name": topology.component_name(to), "Sources": sources})
}

/// Whether a component speaks HTTP.
fn speaks_http(topology: &Topology, component: Component) -> bool {
    match component {
        Component::Store(id) => {
            let store = topology.store(id);
            store.embedded || matches!(store.kind, StoreKind::Elasticsearch | StoreKind::S3)
        }
        _ => true,
    }
}

/// Its protocol and how many requests at once a caller may have under way.
pub(super) fn defaults(topology: &Topology, component: Component) -> Value {
    let http = speaks_http(topology, component);
    let mut limits = json!({"MaxConnections": 1_024, "MaxPendingRequests": 1_024});
    if http {
        limits["MaxConcurrentRequests"] = 1_024.into();
    }
    json!({
        "Kind": "service-defaults",
        "Name": topology.component_name(component),
        "Protocol": if http { "http" } else { "tcp" },
        "UpstreamConfig": {"Defaults": {
            "ConnectTimeoutMs": 1_000,
            "Limits": limits,
            "PassiveHealthCheck": {"Interval": "10s", "MaxFailures": 3},
        }},
    })
}

fn zones(topology: &Topology, component: Component) -> Vec<String> {
    let mut zones: Vec<String> = topology.component_instances(component).into_iter().map(|i| i.zone).collect();
    zones.sort();
    zones.dedup();
    zones
}

/// A subset for each zone, and for each the other zones to turn to.
pub(super) fn resolver(topology: &Topology, component: Component) -> Value {
    let zones = zones(topology, component);
    let mut subsets = Map::new();
    let mut failover = Map::new();
    for zone in &zones {
        let filter = format!("Service.Meta.zone == \"{zone}\"");
        subsets.insert(format!("zone-{zone}"), json!({"Filter": filter, "OnlyPassing": true}));
        let others: Vec<Value> =
            zones.iter().filter(|z| *z != zone).map(|z| json!({"ServiceSubset": format!("zone-{z}")})).collect();
        if !others.is_empty() {
            failover.insert(format!("zone-{zone}"), json!({"Targets": others}));
        }
    }
    let mut entry = json!({
        "Kind": "service-resolver",
        "Name": topology.component_name(component),
        "ConnectTimeout": "1s",
        "Subsets": subsets,
    });
    if !failover.is_empty() {
        entry["Failover"] = Value::Object(failover);
    }
    entry
}

/// The nearest healthy instances first.
pub(super) fn query(topology: &Topology, component: Component) -> Value {
    let name = topology.component_name(component);
    json!({
        "Name": format!("{name}-nearest"),
        "Service": {"Service": name, "OnlyPassing": true, "Near": "_agent"},
        "DNS": {"TTL": "2s"},
    })
}
