//! A system as a flat list: path to value. It is what two systems are compared by, and what a generated folder remembers of its spec.

use std::collections::BTreeMap;

use archgen_spec::capacity::capacity;
use archgen_spec::topology::{Component, DatasetRef, Gateway, Need, Service, Store, Topology};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::parallel::mapped;
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

/// Paths and values of one part of a system, in the order of their paths. No path of one part stands between those of another.
pub(super) type Part = Vec<(String, String)>;

/// The facts of a topology. Secrets are references in it, as everywhere.
pub fn facts(topology: &Topology) -> Facts {
    let mut parts = vec![
        part("name", &topology.name),
        part("zones", &topology.zones),
        part("load", &topology.load),
        part("objectives", &topology.objectives),
        part("secrets", &topology.secrets),
        part("registry", &topology.registry),
    ];
    parts.extend(topology.gateway.as_ref().map(|gateway| part("gateway", &gateway_value(topology, gateway))));
    parts.extend(topology.realtime.as_ref().map(|realtime| {
        let mut all = part("realtime", realtime);
        put(&mut all, "realtime.needs", realtime.needs.iter().map(|n| need(topology, *n)).collect());
        all
    }));
    parts.extend(mapped(&topology.services, |service| service_part(topology, service)));
    parts.extend(mapped(&topology.stores, store_part));
    // In order, parts are one run of paths, which makes a map without any search.
    parts.retain(|part| !part.is_empty());
    parts.sort_unstable_by(|a, b| a.first().cmp(&b.first()));
    let instances = topology.components().into_iter().map(|c| {
        let names = topology.component_instances(c).into_iter().map(|i| i.name).collect();
        (topology.component_name(c).to_owned(), names)
    });
    Facts {
        version: 1,
        facts: parts.into_iter().flatten().collect(),
        instances: instances.collect(),
        capacity: figures(topology),
    }
}

fn gateway_value(topology: &Topology, gateway: &Gateway) -> Value {
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
    value
}

fn service_part(topology: &Topology, service: &Service) -> Part {
    let path = format!("services.{}", service.name);
    let mut all = part(&path, service);
    let datasets = |all: &[DatasetRef]| all.iter().map(|d| dataset(topology, *d)).collect();
    put(&mut all, &format!("{path}.needs"), service.needs.iter().map(|n| need(topology, *n)).collect());
    put(&mut all, &format!("{path}.publishes"), datasets(&service.publishes));
    put(&mut all, &format!("{path}.consumes"), datasets(&service.consumes));
    all
}

fn store_part(store: &Store) -> Part {
    let mut value = json(store);
    let datasets = store.datasets.iter().map(|d| (d.name.clone(), json(&d.shape)));
    let datasets = Value::Object(datasets.collect());
    if let Some(object) = value.as_object_mut() {
        object.remove("datasets");
        object.insert(store.kind.dataset_section().to_owned(), datasets);
    }
    part(&format!("stores.{}", store.name), &value)
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

/// Every leaf below a path. Lists are leaves: their order and members are one fact. The value is gone through as JSON text, for a large
/// system has millions of values.
pub(super) fn part(path: &str, value: &impl Serialize) -> Part {
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    let mut all = Part::new();
    leaves(&mut path.to_owned(), &text, &mut all);
    all.sort_unstable();
    all
}

/// Says otherwise what is in a part: by names instead of numbers.
fn put(all: &mut Part, path: &str, value: Value) {
    if let Some((_, known)) = all.iter_mut().find(|(known, _)| known == path) {
        *known = value.to_string();
    }
}

/// The leaves of the value with which a JSON text begins; where it ends.
fn leaves(path: &mut String, text: &str, all: &mut Part) -> usize {
    if let Some((time, end)) = time(text) {
        all.push((path.clone(), time));
        return end;
    }
    if !text.starts_with('{') || text.starts_with("{}") {
        let end = leaf_end(text);
        if &text[..end] != "null" {
            all.push((path.clone(), text[..end].to_owned()));
        }
        return end;
    }
    let length = path.len();
    let mut at = 1;
    loop {
        let end = at + leaf_end(&text[at..]);
        let key = &text[at..end];
        path.push('.');
        match key.contains('\\') {
            true => path.push_str(&serde_json::from_str::<String>(key).unwrap_or_default()),
            false => path.push_str(key.trim_matches('"')),
        }
        // After the colon.
        at = end + 1;
        at += leaves(path, &text[at..], all);
        path.truncate(length);
        if !text[at..].starts_with(',') {
            return at + 1;
        }
        at += 1;
    }
}

/// Where a text, a number, a word or a list ends with which a JSON text begins.
fn leaf_end(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                quoted = !quoted;
                if !quoted && depth == 0 {
                    return at + 1;
                }
            }
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// The duration with which a JSON text begins, in words; where it ends.
fn time(text: &str) -> Option<(String, usize)> {
    let (seconds, rest) = text.strip_prefix("{\"secs\":")?.split_once(",\"nanos\":")?;
    let (nanos, rest) = rest.split_once('}')?;
    let (seconds, nanos): (u64, u64) = (seconds.parse().ok()?, nanos.parse().ok()?);
    let words = if nanos == 0 { format!("{seconds}s") } else { format!("{}ms", seconds * 1_000 + nanos / 1_000_000) };
    Some((words, text.len() - rest.len()))
}
