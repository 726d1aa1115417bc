//! Kafka: topics with their partitions, copies and settings.

use std::collections::BTreeMap;

use archgen_spec::topology::{DatasetShape, StoreKind, Topology};
use serde::Serialize;

use super::Files;
use crate::GenerateError;
use crate::artifacts::json_file;

#[derive(Serialize)]
struct Topic<'a> {
    /// Name in the cluster.
    name: String,
    /// Name in the spec.
    dataset: &'a str,
    partitions: u32,
    replicas: u32,
    config: BTreeMap<&'static str, String>,
}

/// `kafka/<store>/topics.json` for each Kafka store: what `kafka-topics --create` is told for each topic.
pub(crate) fn files(topology: &Topology, files: &mut Files) -> Result<(), GenerateError> {
    for store in topology.stores.iter().filter(|s| s.kind == StoreKind::Kafka) {
        let topics = store.datasets.iter().filter_map(|dataset| {
            let DatasetShape::Topic { partitions, replicas, min_insync, retain, .. } = &dataset.shape else {
                return None;
            };
            // -1 keeps for ever.
            let retention = retain.map_or("-1".to_owned(), |time| time.as_millis().to_string());
            Some(Topic {
                name: format!("{}.{}", store.namespace, dataset.name),
                dataset: &dataset.name,
                partitions: *partitions,
                replicas: *replicas,
                config: BTreeMap::from([
                    ("min.insync.replicas", min_insync.to_string()),
                    ("retention.ms", retention),
                    // A copy that is behind never leads: acknowledged records would be lost.
                    ("unclean.leader.election.enable", "false".to_owned()),
                ]),
            })
        });
        json_file(&format!("kafka/{}/topics.json", store.name), &topics.collect::<Vec<_>>(), files)?;
    }
    Ok(())
}
