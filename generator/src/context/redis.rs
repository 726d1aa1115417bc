//! Redis: configuration of a cluster's nodes, and who may do what with which keys.

use archgen_spec::topology::{Component, Store, StoreId, StoreKind};
use serde::Serialize;

use super::Files;
use crate::GenerateError;
use crate::render::{Content, Engine};
use crate::system::System;

#[derive(Serialize)]
struct Context<'a> {
    store: &'a str,
    port: u16,
    cluster: bool,
    /// Whether `archgen up` starts it: a single node on loopback.
    here: bool,
    /// Where it keeps its files.
    folder: &'a str,
    /// Whether the user of that name is one of ours.
    default_user: bool,
    /// Three quarters of the container's memory: the rest is for copying on write.
    memory_max_bytes: u64,
    users: Vec<&'a str>,
    /// What each of them may.
    rights: String,
}

/// Whether its nodes are one cluster, which has three of them or more.
pub(crate) fn is_cluster(store: &Store) -> bool {
    store.nodes >= 3
}

/// Memory for keys, bytes; 0 is no limit.
pub(crate) fn memory_max_bytes(store: &Store) -> u64 {
    store.memory_bytes.map_or(0, |bytes| bytes / 4 * 3)
}

/// What a service may: everything with the system's own keys, nothing with the server.
pub(crate) fn rights(namespace: &str) -> String {
    format!(
        "~{namespace}:* &{namespace}:* +@all -@admin -@dangerous +cluster|slots +cluster|shards +cluster|nodes +info"
    )
}

/// `redis/<store>/redis.conf`, `users.acl` and `start.sh` for each Redis.
pub(crate) fn files(system: &System<'_>, here: bool, engine: &Engine, files: &mut Files) -> Result<(), GenerateError> {
    let topology = system.topology;
    for (index, store) in topology.stores.iter().enumerate().filter(|(_, s)| s.kind == StoreKind::Redis) {
        let id = Component::Store(StoreId(index));
        let own = store.credentials.as_ref().filter(|_| here).map(|pair| pair.user.as_str());
        let mut users: Vec<&str> = system.callers(id).iter().map(|c| topology.component_name(*c)).collect();
        users.extend(own.filter(|user| *user != "archgen" && !users.contains(user)));
        let context = Context {
            store: &store.name,
            port: store.port,
            cluster: is_cluster(store) && !here,
            here,
            folder: if here { "." } else { "/data" },
            default_user: own == Some("default"),
            memory_max_bytes: memory_max_bytes(store),
            users,
            rights: rights(&store.namespace),
        };
        let content = Content::of(&context);
        for file in ["redis.conf", "users.acl", "start.sh"] {
            let text = engine.render(&format!("redis/{file}"), &content)?;
            files.insert(format!("redis/{}/{file}", store.name), text);
        }
    }
    Ok(())
}
