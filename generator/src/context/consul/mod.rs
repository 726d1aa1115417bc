//! Consul: agents, registrations, who may call whom, and what each component may do with the registry itself. All JSON is built as
//! data, so that nothing needs escaping.

mod access;
mod entries;
mod services;

use archgen_spec::topology::{Component, Topology};
use serde_json::{Value, json};

use super::Files;
use crate::artifacts::json_file;
use crate::system::System;
use crate::{Address, GenerateError};

/// `consul/…`: `server.json` and `agent.json`; `services/<instance>.json` for the agent beside each instance; config entries
/// (`intentions/`, `defaults/`, `resolvers/`); `queries/`; `acl/policies/` and `acl/roles/`; `kv.json`.
pub(crate) fn files(system: &System<'_>, address: Address<'_>, files: &mut Files) -> Result<(), GenerateError> {
    let topology = system.topology;
    let Some(registry) = &topology.registry else { return Ok(()) };
    json_file("consul/server.json", &server(topology, address), files)?;
    json_file("consul/agent.json", &agent(topology, address), files)?;
    for component in topology.components().into_iter().filter(|c| *c != Component::Registry) {
        let name = topology.component_name(component);
        for instance in topology.component_instances(component) {
            let path = format!("consul/services/{}.json", instance.name);
            json_file(&path, &services::service(topology, &instance, &address(&instance)), files)?;
        }
        let parts = [
            ("intentions", entries::intentions(system, component, registry.default_deny)),
            ("defaults", entries::defaults(topology, component)),
            ("resolvers", entries::resolver(topology, component)),
            ("queries", entries::query(topology, component)),
            ("acl/policies", access::policy(topology, component)),
            ("acl/roles", access::role(topology, component)),
        ];
        for (folder, part) in parts {
            json_file(&format!("consul/{folder}/{name}.json"), &part, files)?;
        }
    }
    if registry.default_deny {
        let deny = json!({"Kind": "service-intentions", "Name": "*", "Sources": [{"Name": "*", "Action": "deny"}]});
        json_file("consul/intentions/default.json", &deny, files)?;
    }
    json_file("consul/kv.json", &access::seeds(topology), files)
}

/// Where agents answer questions for names.
pub(crate) fn dns_port(topology: &Topology) -> u16 {
    if topology.registry.as_ref().is_some_and(|r| r.port == 8_600) { 8_601 } else { 8_600 }
}

/// What servers and agents have in common.
fn shared(topology: &Topology, address: Address<'_>) -> Value {
    let registry = topology.registry.as_ref();
    let servers: Vec<String> = topology.component_instances(Component::Registry).iter().map(address).collect();
    let deny = registry.is_some_and(|r| r.default_deny);
    json!({
        "datacenter": registry.map_or("dc1", |r| r.datacenter.as_str()),
        "data_dir": "/consul/data",
        "log_level": "INFO",
        "disable_update_check": true,
        "disable_remote_exec": true,
        "enable_script_checks": false,
        "retry_join": servers,
        "ports": {"http": registry.map_or(8_500, |r| r.port), "dns": dns_port(topology), "grpc": 8_502},
        "acl": {
            "enabled": true,
            "default_policy": if deny { "deny" } else { "allow" },
            // When the servers are away, what was allowed stays allowed.
            "down_policy": "extend-cache",
            "enable_token_persistence": true,
        },
        "telemetry": {"prometheus_retention_time": "60s", "disable_hostname": true},
    })
}

fn server(topology: &Topology, address: Address<'_>) -> Value {
    let mut server = shared(topology, address);
    server["server"] = true.into();
    server["bootstrap_expect"] = topology.registry.as_ref().map_or(1, |r| r.servers).into();
    server["connect"] = json!({"enabled": true});
    // A server that left for good makes room for another.
    server["autopilot"] = json!({"cleanup_dead_servers": true, "server_stabilization_time": "10s"});
    server["performance"] = json!({"raft_multiplier": 1});
    server
}

fn agent(topology: &Topology, address: Address<'_>) -> Value {
    let mut agent = shared(topology, address);
    agent["server"] = false.into();
    agent["leave_on_terminate"] = true.into();
    // Answers for healthy instances only, and a stale one rather than none.
    agent["dns_config"] =
        json!({"only_passing": true, "allow_stale": true, "max_stale": "30s", "service_ttl": {"*": "2s"}});
    agent
}
