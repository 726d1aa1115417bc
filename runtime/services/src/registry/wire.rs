//! What clients read: Consul's JSON shapes.

use serde_json::{Map, Value, json};

use super::{
    catalog::{Catalog, Check, Service},
    definition::CheckKind,
};

/// The node as which this host presents itself.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub id: String,
    pub name: String,
    pub address: String,
    pub datacenter: String,
}

impl Node {
    /// Entry of `catalog/nodes` and the `Node` of `health/service`.
    pub(super) fn json(&self) -> Value {
        json!({
            "ID": self.id, "Node": self.name, "Address": self.address, "Datacenter": self.datacenter,
            "TaggedAddresses": {"lan": self.address, "wan": self.address}, "Meta": {}, "CreateIndex": 1, "ModifyIndex": 1,
        })
    }

    /// Entry of `catalog/service`.
    pub(super) fn catalog_service(&self, service: &Service) -> Value {
        let d = &service.definition;
        json!({
            "ID": self.id, "Node": self.name, "Address": self.address, "Datacenter": self.datacenter,
            "TaggedAddresses": {"lan": self.address, "wan": self.address}, "NodeMeta": {},
            "ServiceID": d.id, "ServiceName": d.name, "ServiceTags": d.tags, "ServiceAddress": d.address,
            "ServicePort": d.port, "ServiceMeta": d.meta, "ServiceWeights": {"Passing": 1, "Warning": 1},
            "ServiceEnableTagOverride": false, "CreateIndex": service.created, "ModifyIndex": service.modified,
        })
    }

    /// Entry of `health/service`.
    pub(super) fn health_entry(&self, catalog: &Catalog, service: &Service) -> Value {
        let d = &service.definition;
        let checks: Vec<Value> = catalog.checks_of(&d.id).map(|c| self.check(catalog, c)).collect();
        let mut agent = agent_service(service);
        if let Some(map) = agent.as_object_mut() {
            map.insert("CreateIndex".to_owned(), service.created.into());
            map.insert("ModifyIndex".to_owned(), service.modified.into());
        }
        json!({"Node": self.json(), "Service": agent, "Checks": checks})
    }

    /// A check.
    pub(super) fn check(&self, catalog: &Catalog, check: &Check) -> Value {
        let d = &check.definition;
        let service = catalog.service(&check.service).map(|s| &s.definition);
        let (kind, definition) = match &d.kind {
            CheckKind::Ttl(_) => ("ttl", json!({})),
            CheckKind::Http { url, interval, timeout } => {
                let go = |d: &std::time::Duration| format!("{}ms", d.as_millis());
                ("http", json!({"HTTP": url, "Interval": go(interval), "Timeout": go(timeout)}))
            }
        };
        json!({
            "Node": self.name, "CheckID": d.id, "Name": d.name, "Status": check.status.name(), "Notes": d.notes,
            "Output": check.output, "ServiceID": check.service, "ServiceName": service.map(|s| s.name.as_str()),
            "ServiceTags": service.map(|s| s.tags.as_slice()), "Type": kind, "Definition": definition,
            "CreateIndex": check.created, "ModifyIndex": check.modified,
        })
    }
}

/// Entry of `agent/services`.
pub(super) fn agent_service(service: &Service) -> Value {
    let d = &service.definition;
    json!({
        "ID": d.id, "Service": d.name, "Tags": d.tags, "Meta": d.meta, "Port": d.port, "Address": d.address,
        "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false,
    })
}

/// Body of `catalog/services`: tags by service name.
pub(super) fn catalog_services(catalog: &Catalog) -> Value {
    let mut names = std::collections::BTreeMap::<&str, std::collections::BTreeSet<&str>>::new();
    for service in catalog.services() {
        let tags = names.entry(&service.definition.name).or_default();
        tags.extend(service.definition.tags.iter().map(String::as_str));
    }
    names.into_iter().map(|(name, tags)| (name.to_owned(), json!(tags))).collect::<Map<_, _>>().into()
}

/// A registration of what is there, in its present state, for another server.
pub(super) fn definition(catalog: &Catalog, service: &Service) -> Value {
    let d = &service.definition;
    let checks: Vec<Value> = catalog
        .checks_of(&d.id)
        .map(|c| {
            let ms = |d: &std::time::Duration| format!("{}ms", d.as_millis());
            let mut out = json!({
                "CheckID": c.definition.id, "Name": c.definition.name, "Notes": c.definition.notes,
                "Status": c.status.name(),
            });
            match &c.definition.kind {
                CheckKind::Ttl(ttl) => out["TTL"] = ms(ttl).into(),
                CheckKind::Http { url, interval, timeout } => {
                    out["HTTP"] = url.as_str().into();
                    out["Interval"] = ms(interval).into();
                    out["Timeout"] = ms(timeout).into();
                }
            }
            if let Some(after) = &c.definition.deregister_after {
                out["DeregisterCriticalServiceAfter"] = ms(after).into();
            }
            out
        })
        .collect();
    json!({
        "ID": d.id, "Name": d.name, "Tags": d.tags, "Address": d.address, "Port": d.port, "Meta": d.meta,
        "Checks": checks,
    })
}
