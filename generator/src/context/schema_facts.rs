//! What a running engine says of its schema when it is as generated: thing to form, in the engine's own words. `archgen drift` asks
//! the engine and compares.

use std::collections::BTreeMap;

use archgen_spec::topology::{DatasetShape, Store, StoreKind};

use super::{elasticsearch, mongodb, postgres};

/// Things of a schema: `table accounts`, `column accounts.id`, `index members_by_user`, `topic chat.message`, each with its form.
pub type SchemaFacts = BTreeMap<String, String>;

/// The facts of a store's schema. Empty for a kind that has none (Redis), or whose parts are made by what uses them (S3).
pub fn schema_facts(store: &Store) -> SchemaFacts {
    match store.kind {
        StoreKind::Postgres => postgres::facts(store),
        StoreKind::Cassandra => cassandra(store),
        StoreKind::Kafka => kafka(store),
        StoreKind::Elasticsearch => elasticsearch::facts(store),
        StoreKind::Mongodb => mongodb::facts(store),
        StoreKind::Redis | StoreKind::S3 => SchemaFacts::new(),
    }
}

fn cassandra(store: &Store) -> SchemaFacts {
    let mut facts = SchemaFacts::new();
    for dataset in &store.datasets {
        let DatasetShape::CassandraTable { partition, cluster, columns, ttl, .. } = &dataset.shape else { continue };
        for (columns, place) in [(partition, "partition key"), (cluster, "clustering"), (columns, "regular")] {
            for column in columns {
                let form = format!("{} ({place})", column.kind.to_lowercase());
                facts.insert(format!("column {}.{}", dataset.name, column.name), form);
            }
        }
        let seconds = ttl.map_or(0, |t| t.as_secs());
        facts.insert(format!("table {}", dataset.name), format!("rows live {seconds} s"));
    }
    facts
}

fn kafka(store: &Store) -> SchemaFacts {
    let topics = store.datasets.iter().filter_map(|dataset| match dataset.shape {
        DatasetShape::Topic { partitions, replicas, .. } => {
            let name = format!("topic {}.{}", store.namespace, dataset.name);
            Some((name, format!("{partitions} partitions, {replicas} copies")))
        }
        _ => None,
    });
    topics.collect()
}
