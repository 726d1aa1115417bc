//! Prometheus: a job for each component that exports metrics.

use archgen_spec::topology::{Component, Topology};

use super::metrics::{exporter, is_ours};
use crate::Address;
use crate::render::{Data, data};

/// `prometheus.yml`.
pub(super) fn configuration<'a>(topology: &'a Topology, address: Address<'_>) -> Data<'a> {
    let ours = topology.components().into_iter().filter(|c| is_ours(topology, *c));
    let mut jobs: Vec<Data<'_>> = ours.map(|c| job(topology, c, "/metrics", None, address)).collect();
    if let Some(port) = exporter(topology) {
        jobs.push(job(topology, Component::Gateway, "/metrics", Some(port), address));
    }
    if topology.registry.as_ref().is_some_and(|r| !r.embedded) {
        let mut registry = job(topology, Component::Registry, "/v1/agent/metrics", None, address);
        registry["params"] = data!({"format": ["prometheus"]});
        jobs.push(registry);
    }
    data!({
        "global": {
            "scrape_interval": "15s",
            "scrape_timeout": "10s",
            "evaluation_interval": "15s",
            "external_labels": {"system": &topology.name},
        },
        "rule_files": ["recording.rules.yml", "alerts.rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
        "scrape_configs": jobs,
    })
}

/// Instances are asked on their own port, or on another one beside it.
fn job<'a>(
    topology: &'a Topology,
    component: Component,
    path: &'static str,
    beside: Option<u16>,
    address: Address<'_>,
) -> Data<'a> {
    let name = topology.component_name(component);
    let targets = topology.component_instances(component).into_iter().map(|i| {
        data!({
            "targets": [format!("{}:{}", address(&i), beside.unwrap_or(i.port))],
            "labels": {"component": name, "host": i.name, "zone": i.zone},
        })
    });
    data!({
        "job_name": name,
        "metrics_path": path,
        // A host that answers with nonsense fills no memory.
        "sample_limit": 10_000,
        "body_size_limit": "10MB",
        "static_configs": targets.collect::<Vec<Data<'_>>>(),
    })
}
