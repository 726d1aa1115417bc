//! Elasticsearch: the template from which every index of a store is made.

use archgen_spec::topology::{DatasetShape, Store, StoreKind, Topology};
use serde_json::{Value, json};

use super::Files;
use super::schema_facts::SchemaFacts;
use crate::GenerateError;
use crate::artifacts::json_file;

/// `elasticsearch/<store>/template.json` for each Elasticsearch store: the body of `PUT /_index_template/<namespace>`.
pub(crate) fn files(topology: &Topology, files: &mut Files) -> Result<(), GenerateError> {
    for store in topology.stores.iter().filter(|s| s.kind == StoreKind::Elasticsearch) {
        json_file(&format!("elasticsearch/{}/template.json", store.name), &template(store), files)?;
    }
    Ok(())
}

/// What the engine says of the template.
pub(crate) fn facts(store: &Store) -> SchemaFacts {
    let template = template(store);
    let settings = &template["template"]["settings"];
    let mut facts = SchemaFacts::new();
    let form = format!("{} shards, {} replicas", settings["number_of_shards"], settings["number_of_replicas"]);
    facts.insert(format!("template {}", store.namespace), form);
    let fields = template["template"]["mappings"]["properties"].as_object();
    for (name, field) in fields.into_iter().flatten() {
        facts.insert(format!("field {name}"), field["type"].as_str().unwrap_or_default().to_owned());
    }
    facts
}

/// The template.
pub(crate) fn template(store: &Store) -> Value {
    let replicas = store.datasets.iter().filter_map(|dataset| match &dataset.shape {
        DatasetShape::Index { replicas, .. } => Some(*replicas),
        _ => None,
    });
    json!({
        "index_patterns": [format!("{}.*", store.namespace)],
        "priority": 100,
        "template": {
            "settings": {
                "number_of_shards": store.nodes.max(1),
                // As many as the index that has most; a node never holds two copies of one shard.
                "number_of_replicas": replicas.max().unwrap_or(0).min(store.nodes.saturating_sub(1)),
                "refresh_interval": "1s",
            },
            "mappings": {
                "dynamic": "strict",
                "properties": {
                    "id": {"type": "keyword"},
                    "deleted": {"type": "boolean"},
                    // Cut into words, in lower case, before they come here.
                    "words": {"type": "text", "analyzer": "whitespace", "norms": false, "index_options": "docs"},
                    "keywords": {"type": "keyword"},
                    "rank": {"type": "long"},
                    "stored": {"type": "object", "enabled": false},
                },
            },
        },
    })
}
