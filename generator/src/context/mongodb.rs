//! MongoDB: collections, indexes and shard keys as scripts for mongosh.

use archgen_spec::topology::{DatasetShape, Store, StoreKind, Topology};
use serde::Serialize;

use super::Files;
use super::schema_facts::SchemaFacts;
use crate::GenerateError;
use crate::render::{Content, Engine};

/// Chunks of a hashed key on each shard from the beginning, so that nothing moves while the first documents come.
const CHUNKS_PER_SHARD: u32 = 8;

#[derive(Serialize)]
struct Context<'a> {
    store: &'a str,
    namespace: &'a str,
    chunks: u32,
    collections: Vec<Collection<'a>>,
}

/// A collection as it is made.
#[derive(Serialize)]
pub(crate) struct Collection<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: String,
    key: &'a [String],
    hashed: bool,
    way: &'static str,
    pub(crate) indexes: Vec<Index<'a>>,
}

/// One of its indexes.
#[derive(Serialize)]
pub(crate) struct Index<'a> {
    pub(crate) name: String,
    pub(crate) fields: &'a [String],
    way: &'static str,
}

impl Collection<'_> {
    /// The shard key, as mongosh reads it.
    pub(crate) fn key_document(&self) -> String {
        document(self.key, self.way)
    }
}

impl Index<'_> {
    /// Its fields, as mongosh reads them.
    pub(crate) fn document(&self) -> String {
        document(self.fields, self.way)
    }
}

fn document(fields: &[String], way: &str) -> String {
    let each: Vec<String> = fields.iter().map(|field| format!("{}: {way}", serde_json::json!(field))).collect();
    format!("{{ {} }}", each.join(", "))
}

/// `mongodb/<store>/collections.js` and `rollback.js` for each MongoDB.
pub(crate) fn files(topology: &Topology, engine: &Engine, files: &mut Files) -> Result<(), GenerateError> {
    for store in topology.stores.iter().filter(|s| s.kind == StoreKind::Mongodb) {
        let content = Content::of(&context(store));
        for file in ["collections.js", "rollback.js"] {
            let text = engine.render(&format!("mongodb/{file}"), &content)?;
            files.insert(format!("mongodb/{}/{file}", store.name), text);
        }
    }
    Ok(())
}

/// What the engine says of collections and indexes.
pub(crate) fn facts(store: &Store) -> SchemaFacts {
    let mut facts = SchemaFacts::new();
    for collection in context(store).collections {
        facts.insert(format!("collection {}", collection.name), "there".to_owned());
        for index in collection.indexes {
            let way = index.way.trim_matches('\'');
            let fields: Vec<String> = index.fields.iter().map(|field| format!("{field}: {way}")).collect();
            facts.insert(format!("index {}.{}", collection.name, index.name), fields.join(", "));
        }
    }
    facts
}

fn context(store: &Store) -> Context<'_> {
    Context {
        store: &store.name,
        namespace: &store.namespace,
        chunks: (store.nodes / store.copies.max(1)).max(1) * CHUNKS_PER_SHARD,
        collections: collections(store),
    }
}

/// The collections of a store.
pub(crate) fn collections(store: &Store) -> Vec<Collection<'_>> {
    let all = store.datasets.iter().filter_map(|dataset| {
        let DatasetShape::Collection { key, hashed, indexes } = &dataset.shape else { return None };
        let way = if *hashed { "'hashed'" } else { "1" };
        let own = indexes.iter().map(|(name, fields)| Index { name: name.clone(), fields, way: "1" });
        let mut all: Vec<Index<'_>> = own.collect();
        // A shard key needs an index that begins with it; `_id` alone has one unless it is hashed. It is named after its fields: beside
        // the index of another key it must stand while documents move from one to the other.
        if key.as_slice() != ["_id"] || *hashed {
            let name = format!("shard_key_{}{}", key.join("_"), if *hashed { "_hashed" } else { "" });
            all.insert(0, Index { name, fields: key, way });
        }
        let path = format!("{}.{}", store.namespace, dataset.name);
        Some(Collection { name: &dataset.name, path, key, hashed: *hashed, way, indexes: all })
    });
    all.collect()
}
