//! The live registry: who is registered and well, and who may call whom.

use std::collections::{BTreeMap, BTreeSet};

use archgen_spec::topology::{Component, Topology};
use serde_json::Value;

use super::{Drifted, drifted};
use crate::registry::Registry;

/// The service under which a registry lists its own servers.
const OWN: &str = "consul";

/// Compares instances and intentions. Where instances are is compared only where `addresses` are those of the spec.
///
/// # Errors
/// The registry does not answer.
pub async fn registry(
    asked: &Registry,
    topology: &Topology,
    artifacts: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<Drifted>> {
    let mut found = Vec::new();
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for instance in topology.instances().into_iter().filter(|i| i.component != Component::Registry) {
        let component = topology.component_name(instance.component).to_owned();
        expected.entry(component).or_default().insert(instance.name);
    }
    for (component, instances) in &expected {
        let (_, there) = asked.instances(component, 0, std::time::Duration::ZERO).await?;
        for instance in instances {
            match there.iter().find(|r| r.id == *instance) {
                None => found.push(drifted("registry", instance, "is not registered")),
                Some(r) if !r.passing => found.push(drifted("registry", instance, "is not well: a check of it fails")),
                Some(_) => {}
            }
        }
        let others = there.iter().filter(|r| !instances.contains(&r.id));
        found.extend(others.map(|r| {
            drifted("registry", &r.id, format!("is registered at {}:{} and not in the spec", r.address, r.port))
        }));
    }
    for name in asked.services().await? {
        if name != OWN && !expected.contains_key(&name) && topology.component_named(&name).is_none() {
            found.push(drifted("registry", &name, "is a registered service and not in the spec"));
        }
    }
    for (path, text) in artifacts.iter().filter(|(p, _)| p.starts_with("consul/intentions/")) {
        found.extend(intentions(asked, path, &serde_json::from_str(text)?).await?);
    }
    Ok(found)
}

/// Who may call one component.
async fn intentions(asked: &Registry, path: &str, wanted: &Value) -> anyhow::Result<Option<Drifted>> {
    let name = wanted["Name"].as_str().unwrap_or_default();
    // Archgen's own registry keeps no intentions, and says so by having no such place.
    let there = asked.entry("service-intentions", name).await?;
    let callers = |entry: &Value| -> BTreeSet<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sources = entry["Sources"].as_array().into_iter().flatten();
        sources.map(|source| (text(&source["Name"]), text(&source["Action"]))).collect()
    };
    let what = path.trim_end_matches(".json");
    Ok(match there {
        None => Some(drifted("registry", what, "is not there")),
        Some(entry) if callers(&entry) != callers(wanted) => {
            let differ: Vec<String> =
                callers(&entry).symmetric_difference(&callers(wanted)).map(|(n, a)| format!("{a} {n}")).collect();
            Some(drifted("registry", what, format!("differs in: {}", differ.join(", "))))
        }
        Some(_) => None,
    })
}
