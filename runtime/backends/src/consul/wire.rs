//! The parts of Consul's JSON that the registry port reads and writes.

use std::collections::BTreeMap;

use archgen_env::net::Address;
use archgen_ports::registry::Instance;
use serde::Deserialize;
use serde_json::{Value, json};

/// Time after which Consul forgets an instance that stays critical. Consul takes nothing below one minute.
const FORGET_AFTER: &str = "60s";
/// Key under `Meta` that carries the failure domain.
const ZONE_KEY: &str = "zone";

/// One entry of `health/service`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HealthEntry {
    node: Node,
    service: Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    service: String,
    #[serde(default)]
    address: String,
    port: u16,
    #[serde(default)]
    meta: Option<BTreeMap<String, String>>,
}

impl HealthEntry {
    /// The instance; Consul leaves a service's address empty where it is its node's.
    pub(super) fn instance(self) -> Instance {
        let host = if self.service.address.is_empty() { self.node.address } else { self.service.address };
        let zone = self.service.meta.and_then(|mut m| m.remove(ZONE_KEY)).unwrap_or_default();
        Instance {
            id: self.service.id,
            service: self.service.service,
            address: Address::new(host, self.service.port),
            zone,
        }
    }
}

/// Id of an instance's one check.
pub(super) fn check_id(instance: &str) -> String {
    format!("service:{instance}")
}

/// Body of a registration. An instance registers when it is about to serve, so its check begins as passing.
pub(super) fn registration(instance: &Instance, ttl_ms: u64) -> Value {
    json!({
        "ID": instance.id,
        "Name": instance.service,
        "Address": instance.address.host,
        "Port": instance.address.port,
        "Meta": {ZONE_KEY: instance.zone},
        "Check": {
            "CheckID": check_id(&instance.id),
            "Name": "sign of life",
            "TTL": format!("{ttl_ms}ms"),
            "Status": "passing",
            "DeregisterCriticalServiceAfter": FORGET_AFTER,
        },
    })
}

/// A path segment in percent-encoding (RFC 3986, unreserved characters and `:` stay).
pub(super) fn segment(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
