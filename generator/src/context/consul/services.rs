//! A registration for the agent beside each instance.

use archgen_spec::topology::{Component, Instance, Topology};
use serde_json::{Value, json};

/// The registration of an instance with its check.
pub(super) fn service(topology: &Topology, instance: &Instance, address: &str) -> Value {
    let target = format!("{address}:{}", instance.port);
    let check = match instance.component {
        Component::Service(id) => {
            let health = &topology.service(id).health;
            let every = format!("{}ms", health.every.as_millis());
            json!({"http": format!("http://{target}{}", health.path), "interval": every})
        }
        Component::Realtime => json!({"http": format!("http://{target}/healthz"), "interval": "5s"}),
        _ => json!({"tcp": target, "interval": "5s"}),
    };
    let mut check = check;
    check["id"] = format!("{}-alive", instance.name).into();
    check["name"] = "answers".into();
    check["timeout"] = "2s".into();
    check["deregister_critical_service_after"] = "10m".into();
    json!({"service": {
        "id": instance.name,
        "name": topology.component_name(instance.component),
        "address": address,
        "port": instance.port,
        "tags": [format!("zone-{}", instance.zone)],
        "meta": {"zone": instance.zone, "system": topology.name},
        "weights": {"passing": 10, "warning": 1},
        "checks": [check],
    }})
}
