//! What each component may do with the registry: as little as it needs. And what is in the registry's store from the beginning.

use archgen_spec::topology::{Component, Topology};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// May register itself, read whom it calls, and keep its own keys.
pub(super) fn policy(topology: &Topology, component: Component) -> Value {
    let name = topology.component_name(component);
    let mut services = Map::new();
    for called in topology.component_calls(component) {
        services.insert(topology.component_name(called).to_owned(), json!({"policy": "read"}));
    }
    services.insert(name.to_owned(), json!({"policy": "write"}));
    let rules = json!({
        "service": services,
        // The agents beside which services run are found by any name.
        "node_prefix": {"": {"policy": "read"}},
        "key_prefix": {
            format!("{}/{name}/", topology.name): {"policy": "write"},
            format!("{}/components/", topology.name): {"policy": "read"},
        },
        "session_prefix": {"": {"policy": "write"}},
    });
    json!({
        "Name": format!("{}-{name}", topology.name),
        "Description": format!("What {name} of {} may do", topology.name),
        "Rules": rules.to_string(),
    })
}

/// The role that tokens of its instances get.
pub(super) fn role(topology: &Topology, component: Component) -> Value {
    let name = format!("{}-{}", topology.name, topology.component_name(component));
    json!({"Name": name, "Policies": [{"Name": name}]})
}

/// What `consul kv import` reads: how many instances each component has, and where.
pub(super) fn seeds(topology: &Topology) -> Value {
    let seeds = topology.components().into_iter().map(|component| {
        let instances = topology.component_instances(component);
        let names: Vec<&str> = instances.iter().map(|i| i.name.as_str()).collect();
        let zones: Vec<&str> = instances.iter().map(|i| i.zone.as_str()).collect();
        let value = json!({"instances": names, "zones": zones}).to_string();
        let key = format!("{}/components/{}", topology.name, topology.component_name(component));
        json!({"key": key, "flags": 0, "value": STANDARD.encode(value)})
    });
    seeds.collect()
}
