//! Kafka: the assignment of replicas that `kafka-reassign-partitions` reads. Racks are the zones; the first replica leads.

use archgen_spec::topology::Store;
use serde_json::{Value, json};

use super::Layout;

/// The id of a broker: the number in its name.
pub(in crate::plan) fn broker(node: u32) -> u32 {
    node + 1
}

/// The name of a topic in the cluster.
pub(in crate::plan) fn topic(store: &Store, dataset: &str) -> String {
    format!("{}.{dataset}", store.namespace)
}

/// The assignment of some partitions of a layout.
pub(super) fn assignment(store: &Store, layout: &Layout) -> Vec<Value> {
    let topic = topic(store, layout.dataset.as_deref().unwrap_or_default());
    let partitions = layout.map.placement.iter().enumerate();
    partitions
        .map(|(partition, holders)| {
            let replicas: Vec<u32> = holders.iter().map(|n| broker(*n)).collect();
            json!({"topic": topic, "partition": partition, "replicas": replicas, "log_dirs": vec!["any"; replicas.len()]})
        })
        .collect()
}

pub(super) fn files(store: &Store, all: &[Layout]) -> Vec<(String, String)> {
    let partitions: Vec<Value> = all.iter().flat_map(|l| assignment(store, l)).collect();
    let text = json!({"version": 1, "partitions": partitions}).to_string() + "\n";
    vec![("reassignment.json".to_owned(), text)]
}
