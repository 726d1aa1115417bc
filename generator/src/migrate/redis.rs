//! Redis: memory and rights change while it runs; what is forgotten for want of memory is asked for first.

use archgen_spec::topology::Store;

use super::Migration;
use crate::context::redis::{is_cluster, memory_max_bytes, rights};

/// Callers of the store, before and from here on.
pub(super) struct Callers<'a> {
    pub(super) before: Vec<&'a str>,
    pub(super) after: Vec<&'a str>,
}

pub(super) fn migrate(old: &Store, new: &Store, callers: &Callers<'_>, lose: bool, migration: &mut Migration) {
    if is_cluster(old) != is_cluster(new) {
        let path = format!("stores.{}.nodes", new.name);
        return migration.refuse(path, "a cluster begins empty: copy the keys into a new store", false);
    }
    let all = match is_cluster(new) {
        true => format!("redis-cli --cluster call \"$NODE:{}\"", new.port),
        false => format!("redis-cli -h \"$NODE\" -p {}", new.port),
    };
    let (had, has) = (memory_max_bytes(old), memory_max_bytes(new));
    // Nothing is no limit.
    let shrinks = has != 0 && (had == 0 || has < had);
    if shrinks && !lose {
        let path = format!("stores.{}.memory", new.name);
        migration.refuse(path, "keys that were not used for longest would be forgotten at once", true);
    } else if had != has {
        let statement = format!("{all} CONFIG SET maxmemory {has}");
        let reason =
            if shrinks { "asked for: what was not used for longest is forgotten" } else { "nothing is forgotten" };
        migration.step(&new.name, statement, reason);
    }
    // Those that come first: between the two nobody is without rights that they need.
    for user in callers.after.iter().filter(|user| !callers.before.contains(user)) {
        let statement = format!(
            "{all} ACL SETUSER {user} on \"#$(printf %s \"$STORE_PASSWORD\" | sha256sum | cut -d ' ' -f 1)\" {}",
            quoted(&rights(&new.namespace))
        );
        migration.step(&new.name, statement, "it may from here on; `users.acl` says so to nodes that start");
    }
    for user in callers.before.iter().filter(|user| !callers.after.contains(user)) {
        migration.step(
            &new.name,
            format!("{all} ACL DELUSER {user}"),
            "after its programs are gone: its connections end",
        );
    }
}

/// Words as a shell takes them as they stand.
fn quoted(words: &str) -> String {
    words.split(' ').map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}
