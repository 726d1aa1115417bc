//! MongoDB: indexes are built while documents are written, an old one is hidden before it goes, and another shard key moves documents
//! while they are in use.

use archgen_spec::topology::Store;
use serde_json::json;

use super::Migration;
use crate::context::mongodb::{Collection, Index, collections};

/// The first version that gives a collection another shard key while it is in use.
const RESHARDS_FROM: u32 = 5;

pub(super) fn migrate(old: &Store, new: &Store, lose: bool, migration: &mut Migration) {
    let (before, after) = (collections(old), collections(new));
    let database = format!("db.getSiblingDB({})", json!(new.namespace));
    for collection in &after {
        let place = format!("{database}.getCollection({})", json!(collection.name));
        match before.iter().find(|c| c.name == collection.name) {
            Some(was) => alter(new, &place, was, collection, migration),
            None => create(new, &database, &place, collection, migration),
        }
    }
    for collection in before.iter().filter(|c| !after.iter().any(|n| n.name == c.name)) {
        if lose {
            let statement = format!("{database}.getCollection({}).drop();", json!(collection.name));
            migration.step(&new.name, statement, "asked for");
        } else {
            let path = format!("stores.{}.collections.{}", new.name, collection.name);
            migration.refuse(path, "its documents would be lost", true);
        }
    }
}

/// Documents lie on several shards.
fn is_sharded(store: &Store) -> bool {
    store.nodes / store.copies.max(1) > 1
}

fn create(store: &Store, database: &str, place: &str, collection: &Collection<'_>, migration: &mut Migration) {
    let options = json!({"writeConcern": {"w": "majority"}});
    let statement = format!("{database}.createCollection({}, {options});", json!(collection.name));
    migration.step(&store.name, statement, "nobody knows a new collection yet");
    for index in &collection.indexes {
        build(store, place, index, "there is nothing to read yet", migration);
    }
    if is_sharded(store) {
        let key = collection.key_document();
        let statement = format!("sh.shardCollection({}, {key});", json!(collection.path));
        migration.step(&store.name, statement, "it is empty: nothing moves");
    }
}

fn build(store: &Store, place: &str, index: &Index<'_>, reason: &str, migration: &mut Migration) {
    let statement = format!("{place}.createIndex({}, {});", index.document(), json!({"name": index.name}));
    migration.step(&store.name, statement, reason);
}

fn alter(store: &Store, place: &str, was: &Collection<'_>, is: &Collection<'_>, migration: &mut Migration) {
    let path = |what: &str| format!("stores.{}.collections.{}.{what}", store.name, is.name);
    for index in &is.indexes {
        match was.indexes.iter().find(|i| i.name == index.name) {
            None => build(store, place, index, "documents are written meanwhile", migration),
            Some(before) if before.document() != index.document() => migration.refuse(
                path(&format!("indexes.{}", index.name)),
                "an index of this name is there with other fields: name the new one otherwise, and the old one goes when it is built",
                false,
            ),
            Some(_) => {}
        }
    }
    if was.key_document() != is.key_document() && is_sharded(store) {
        let major = store.version.as_ref().and_then(|v| v.split('.').next()?.parse().ok());
        if major.is_some_and(|major: u32| major < RESHARDS_FROM) {
            migration.refuse(path("key"), "MongoDB gives a collection another shard key from 5.0 on", false);
            return;
        }
        let statement = format!("sh.reshardCollection({}, {});", json!(is.path), is.key_document());
        let reason = "documents are copied while they are in use, which takes as much disk again; writes wait for two seconds at its end";
        migration.step(&store.name, statement, reason);
    }
    for index in was.indexes.iter().filter(|i| !is.indexes.iter().any(|n| n.name == i.name)) {
        let name = json!(index.name);
        migration.step(
            &store.name,
            format!("{place}.hideIndex({name});"),
            "a test: `unhideIndex` takes it back at once",
        );
        let reason = format!("nobody asks by {} any more", index.fields.join(", "));
        migration.step(&store.name, format!("{place}.dropIndex({name});"), &reason);
    }
}
