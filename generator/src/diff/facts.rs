//! A system as a flat list: path to value. It is what two systems are compared by, and what a generated folder remembers of its spec.

use std::collections::BTreeMap;

use archgen_spec::capacity::capacity;
use archgen_spec::topology::{Component, DatasetRef, Need, Topology};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::cost;

/// A system's facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Version of this format.
    pub version: u32,
    /// Path such as `services.user.replicas` to its value as JSON text.
    pub facts: BTreeMap<String, String>,
    /// Instances of each component.
    pub instances: BTreeMap<String, Vec<String>>,
    /// What follows from the load: `chat: bytes a day` to a figure in words.
    #[serde(default)]
    pub capacity: BTreeMap<String, String>,
}

/// The facts of a topology. Secrets are references in it, as everywhere.
pub fn facts(topology: &Topology) -> Facts {
    let mut all = BTreeMap::new();
    put(&mut all, "name", &topology.name);
    put(&mut all, "zones", &topology.zones);
    put(&mut all, "load", &topology.load);
    put(&mut all, "objectives", &topology.objectives);
    put(&mut all, "secrets", &topology.secrets);
    if let Some(gateway) = &topology.gateway {
        let mut value = json(gateway);
        let routes = gateway.routes.iter().map(|route| {
            let mut value = json(route);
            value["to"] = topology.service(route.to).name.clone().into();
            (route.prefix.clone(), value)
        });
        value["routes"] = Value::Object(routes.collect());
        if let Some(auth) = &gateway.auth {
            value["auth"]["by"] = topology.service(auth.by).name.clone().into();
        }
        put(&mut all, "gateway", &value);
    }
    if let Some(realtime) = &topology.realtime {
        let mut value = json(realtime);
        value["needs"] = realtime.needs.iter().map(|n| need(topology, *n)).collect();
        put(&mut all, "realtime", &value);
    }
    put(&mut all, "registry", &topology.registry);
    for service in &topology.services {
        let mut value = json(service);
        value["needs"] = service.needs.iter().map(|n| need(topology, *n)).collect();
        value["publishes"] = service.publishes.iter().map(|d| dataset(topology, *d)).collect();
        value["consumes"] = service.consumes.iter().map(|d| dataset(topology, *d)).collect();
        put(&mut all, &format!("services.{}", service.name), &value);
    }
    for store in &topology.stores {
        let mut value = json(store);
        let datasets = store.datasets.iter().map(|d| (d.name.clone(), json(&d.shape)));
        let datasets = Value::Object(datasets.collect());
        if let Some(object) = value.as_object_mut() {
            object.remove("datasets");
            object.insert(store.kind.dataset_section().to_owned(), datasets);
        }
        put(&mut all, &format!("stores.{}", store.name), &value);
    }
    let instances = topology.components().into_iter().map(|c| {
        let names = topology.component_instances(c).into_iter().map(|i| i.name).collect();
        (topology.component_name(c).to_owned(), names)
    });
    Facts { version: 1, facts: all, instances: instances.collect(), capacity: figures(topology) }
}

/// What each store takes in and keeps, and what the whole costs.
fn figures(topology: &Topology) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for store in &topology.stores {
        let capacity = capacity(store, &topology.load);
        if capacity.datasets.is_empty() {
            continue;
        }
        let name = &store.name;
        let bytes_per_day: u64 = capacity.datasets.iter().map(|d| d.bytes_per_day).sum();
        all.insert(format!("{name}: bytes a day"), bytes_per_day.to_string());
        let writes: u64 = capacity.datasets.iter().map(|d| d.writes_per_second_per_node.1).sum();
        all.insert(format!("{name}: writes a second on each node at the peak"), writes.to_string());
        let kept: Option<u64> = capacity.datasets.iter().map(|d| d.retained_bytes).sum();
        all.insert(format!("{name}: bytes kept"), kept.map_or_else(|| "without end".to_owned(), |b| b.to_string()));
    }
    if let Some(cost) = cost(topology) {
        all.insert("the system: cost a month".to_owned(), format!("{:.2} {}", cost.month, cost.currency));
    }
    all
}

fn json(value: &impl Serialize) -> Value {
    // Every part of a topology has a JSON form: its maps have names as keys.
    serde_json::to_value(value).unwrap_or(Value::Null)
}

fn need(topology: &Topology, need: Need) -> Value {
    match need {
        Need::Dataset(of) => dataset(topology, of),
        _ => topology.need_component(need).into(),
    }
}

fn dataset(topology: &Topology, of: DatasetRef) -> Value {
    let store = topology.store(of.store);
    let name = store.datasets.get(of.dataset).map_or("?", |d| d.name.as_str());
    format!("{}.{name}", topology.component_name(Component::Store(of.store))).into()
}

/// Adds every leaf below a path. Lists are leaves: their order and members are one fact.
fn put(all: &mut BTreeMap<String, String>, path: &str, value: &impl Serialize) {
    let mut open = vec![(path.to_owned(), json(value))];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(map) if is_time(&map) => drop(all.insert(path, time(&map))),
            Value::Object(map) if !map.is_empty() => {
                open.extend(map.into_iter().map(|(key, value)| (format!("{path}.{key}"), value)));
            }
            Value::Null => {}
            leaf => drop(all.insert(path, leaf.to_string())),
        }
    }
}

fn is_time(map: &serde_json::Map<String, Value>) -> bool {
    map.len() == 2 && map.contains_key("secs") && map.contains_key("nanos")
}

fn time(map: &serde_json::Map<String, Value>) -> String {
    let (seconds, nanos) = (map["secs"].as_u64().unwrap_or(0), map["nanos"].as_u64().unwrap_or(0));
    if nanos == 0 { format!("{seconds}s") } else { format!("{}ms", seconds * 1_000 + nanos / 1_000_000) }
}
