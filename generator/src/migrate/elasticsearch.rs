//! Elasticsearch: copies change at once; where a document lies never does, for that is decided when its index is made.

use archgen_spec::topology::{DatasetShape, Store};
use serde_json::json;

use super::Migration;
use crate::context::elasticsearch::template;

pub(super) fn migrate(old: &Store, new: &Store, lose: bool, migration: &mut Migration) {
    if template(old) != template(new) {
        let statement = format!(
            "curl --fail -X PUT \"$ELASTICSEARCH/_index_template/{}\" -H 'content-type: application/json' \
             --data-binary @elasticsearch/{}/template.json",
            new.namespace, new.name
        );
        let reason = "for indexes that are made from here on; one that is there keeps its number of shards until it is indexed anew";
        migration.step(&new.name, statement, reason);
    }
    for dataset in &new.datasets {
        let DatasetShape::Index { replicas, route, .. } = &dataset.shape else { continue };
        let before = old.datasets.iter().find(|d| d.name == dataset.name).map(|d| &d.shape);
        // A new index is made from the template when its first document comes.
        let Some(DatasetShape::Index { replicas: copies, route: way, .. }) = before else { continue };
        if way != route {
            migration.refuse(
                format!("stores.{}.indexes.{}.route", new.name, dataset.name),
                "documents would be looked for in other shards: index them anew under another name",
                false,
            );
        }
        // No node holds two copies of one shard.
        let fits = |copies: u32, store: &Store| copies.min(store.nodes.saturating_sub(1));
        if fits(*copies, old) != fits(*replicas, new) {
            let settings = json!({"index": {"number_of_replicas": fits(*replicas, new)}});
            let statement = format!(
                "curl --fail -X PUT \"$ELASTICSEARCH/{}.{}/_settings\" -H 'content-type: application/json' --data '{settings}'",
                new.namespace, dataset.name
            );
            let reason = match fits(*copies, old) < fits(*replicas, new) {
                true => "copies are made in the background",
                false => "copies are dropped; the first of each shard stays",
            };
            migration.step(&new.name, statement, reason);
        }
    }
    for dataset in old.datasets.iter().filter(|d| !new.datasets.iter().any(|n| n.name == d.name)) {
        if lose {
            let statement = format!("curl --fail -X DELETE \"$ELASTICSEARCH/{}.{}\"", new.namespace, dataset.name);
            migration.step(&new.name, statement, "asked for");
        } else {
            let path = format!("stores.{}.indexes.{}", new.name, dataset.name);
            migration.refuse(path, "its documents would be lost", true);
        }
    }
}
