//! Consul: a registration per instance, and who may call whom.

use archgen_spec::topology::{Component, Instance, Topology};
use serde_json::{Value, json};

use super::Files;
use crate::GenerateError;
use crate::artifacts::json_file;

/// `consul/services/<instance>.json` for the agent beside each instance, `consul/intentions/<component>.json` as
/// config entries. All JSON is built as data, so that nothing needs escaping.
pub(crate) fn files(
    topology: &Topology,
    address: &dyn Fn(&Instance) -> String,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let Some(registry) = &topology.registry else { return Ok(()) };
    for component in topology.components().into_iter().filter(|c| *c != Component::Registry) {
        for instance in topology.component_instances(component) {
            let path = format!("consul/services/{}.json", instance.name);
            json_file(&path, &service(topology, &instance, &address(&instance)), files)?;
        }
        let path = format!("consul/intentions/{}.json", topology.component_name(component));
        json_file(&path, &intentions(topology, component, registry.default_deny), files)?;
    }
    if registry.default_deny {
        let deny = json!({"Kind": "service-intentions", "Name": "*", "Sources": [{"Name": "*", "Action": "deny"}]});
        json_file("consul/intentions/default.json", &deny, files)?;
    }
    Ok(())
}

fn service(topology: &Topology, instance: &Instance, address: &str) -> Value {
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

/// Exactly the components that need this one may call it.
fn intentions(topology: &Topology, to: Component, default_deny: bool) -> Value {
    let callers = topology.components().into_iter().filter(|c| topology.component_needs(*c).contains(&to));
    let mut sources: Vec<Value> =
        callers.map(|c| json!({"Name": topology.component_name(c), "Action": "allow"})).collect();
    if default_deny {
        sources.push(json!({"Name": "*", "Action": "deny"}));
    }
    json!({"Kind": "service-intentions", "Name": topology.component_name(to), "Sources": sources})
}
