//! Elasticsearch: shards of each index by its size, copies apart by zone, and the routing of requests.

use archgen_spec::topology::{DatasetShape, Store, Topology};
use serde_json::{Map, Value, json};

use super::Layout;

/// An index can later be split into a multiple of its shards that divides this.
const ROUTING_SHARDS_MAX: u64 = 1_024;

pub(super) fn files(topology: &Topology, store: &Store, all: &[Layout]) -> Vec<(String, String)> {
    let mut indexes = Map::new();
    for layout in all {
        let name = layout.dataset.as_deref().unwrap_or_default();
        let shape = store.datasets.iter().find(|d| d.name == name).map(|d| &d.shape);
        let Some(DatasetShape::Index { route, replicas, .. }) = shape else { continue };
        let shards = u64::from(layout.map.slots());
        let per_node = u64::from(layout.map.slots()) * u64::from(layout.copies);
        let entry = json!({
            "settings": {
                "number_of_shards": shards,
                "number_of_replicas": replicas,
                "number_of_routing_shards": shards * (ROUTING_SHARDS_MAX / shards.max(1)).max(1),
                // No node takes more than its share, also while another one is empty.
                "routing.allocation.total_shards_per_node": per_node.div_ceil(layout.nodes.len().max(1) as u64) + 1,
            },
            "routing": route.as_ref().map(|field| format!("?routing=<{field}>")),
        });
        indexes.insert(format!("{}.{name}", store.namespace), entry);
    }
    let cluster = json!({
        "persistent": {
            "cluster.routing.allocation.awareness.attributes": "zone",
            // Copies wait for a lost zone to come back instead of crowding the others.
            "cluster.routing.allocation.awareness.force.zone.values": topology.zones.join(","),
        },
    });
    let text = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    vec![("indexes.json".to_owned(), text(&Value::Object(indexes))), ("cluster.json".to_owned(), text(&cluster))]
}
