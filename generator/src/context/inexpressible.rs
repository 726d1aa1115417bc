//! What a spec says and a target cannot: a page beside each target, so that nobody finds out later.

use archgen_spec::topology::{StoreKind, Topology};

/// Whose page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// docker-compose.
    Compose,
    /// Kubernetes.
    Kubernetes,
}

/// The page.
pub(crate) fn page(topology: &Topology, place: Place) -> String {
    let name = if place == Place::Compose { "docker-compose" } else { "Kubernetes" };
    let mut text = format!("# What the spec of {} says and {name} cannot\n\n", topology.name);
    for (what, why) in points(topology, place) {
        text.push_str(&format!("- **{what}**: {why}\n"));
    }
    text
}

fn points(topology: &Topology, place: Place) -> Vec<(String, &'static str)> {
    let mut points = Vec::new();
    let mut point = |what: String, why| points.push((what, why));
    match place {
        Place::Compose => {
            if topology.zones.len() > 1 {
                let zones = topology.zones.join(", ");
                point(
                    format!("`zones: [{zones}]`"),
                    "one machine is one failure domain; the label archgen.zone only says which one an instance would have",
                );
            }
            point(
                "rolling replacement, disruption budgets".to_owned(),
                "a container that is replaced is gone until the new one is healthy",
            );
            point("`restart: backoff`".to_owned(), "Docker has its own backoff, from 100 ms doubling to a minute");
            if topology.registry.as_ref().is_some_and(|r| r.default_deny) {
                point(
                    "`registry.acl: default-deny`".to_owned(),
                    "every container of the network reaches every other; the intentions bind proxies only",
                );
            }
            if topology.gateway.as_ref().is_some_and(|g| g.replicas > 1) {
                point(
                    "`gateway.replicas`".to_owned(),
                    "only the first instance's ports are published: a load balancer in front of the others is the machine's owner's",
                );
            }
        }
        Place::Kubernetes => {
            point("`restart: backoff`".to_owned(), "the kubelet has its own backoff, from 10 s doubling to 5 minutes");
            point(
                "start order".to_owned(),
                "everything starts at once; readiness holds traffic back until what is needed answers",
            );
            point(
                "more instances than declared".to_owned(),
                "archgen's own hosts know each other by a list, so that only gateways and programs of your own scale by load",
            );
            point(
                "`gateway.limits.per_ip` behind a load balancer".to_owned(),
                "externalTrafficPolicy: Local keeps the caller's address; a load balancer that hides it needs the PROXY protocol",
            );
            point(
                "zones by name".to_owned(),
                "pods are spread evenly over the cluster's own zones (topology.kubernetes.io/zone); which one an ordinal gets is the scheduler's choice",
            );
        }
    }
    for store in topology.stores.iter().filter(|s| !s.embedded) {
        if store.is_real() {
            point(
                format!("`stores.{}.endpoint`", store.name),
                "the server is there already; nothing is started for it",
            );
        } else if store.kind == StoreKind::Mongodb && store.nodes > store.copies {
            point(
                format!("`stores.{}.shards`", store.name),
                "each set is started and initiated; the configuration servers and routers of a sharded cluster are not in the spec",
            );
        } else if store.kind == StoreKind::Cassandra {
            point(
                format!("racks of `stores.{}`", store.name),
                "every node starts in the rack that its image has as a default; initial tokens are in plan.json",
            );
        }
        if store.disk_bytes.is_none() && place == Place::Kubernetes && !store.is_real() {
            point(
                format!("`stores.{}` has no `disk`", store.name),
                "its volumes ask for 10 GiB; `archgen shards` says what the load needs",
            );
        }
    }
    points
}
