//! Redis Cluster: slots of each master as ranges, and which node follows which master. Redis hashes keys by CRC16 itself.

use std::fmt::Write;

use archgen_spec::topology::Store;

use super::Layout;

/// Slots of a master as `[first, last]`, both included.
pub(super) fn ranges(layout: &Layout, master: u32) -> Vec<(u16, u16)> {
    let mut all: Vec<(u16, u16)> = Vec::new();
    for (slot, holders) in (0u16..).zip(&layout.map.placement) {
        if holders.first() != Some(&master) {
            continue;
        }
        match all.last_mut() {
            Some((_, last)) if *last + 1 == slot => *last = slot,
            _ => all.push((slot, slot)),
        }
    }
    all
}

pub(super) fn files(store: &Store, all: &[Layout]) -> Vec<(String, String)> {
    let Some(layout) = all.first() else { return Vec::new() };
    let port = store.port;
    let mut text = format!(
        "#!/bin/sh\n# Slots of the masters of `{}` and their replicas, for a new cluster.\nset -eu\n",
        store.name
    );
    let first = layout.nodes.first().map_or("", |n| n.name.as_str());
    for node in layout.nodes.iter().map(|n| &n.name).chain(layout.followers.iter().flatten()) {
        let _ = writeln!(
            text,
            "redis-cli -h {first} -p {port} cluster meet \"$(getent hosts {node} | cut -d' ' -f1)\" {port}"
        );
    }
    for (node, master) in layout.nodes.iter().zip(0u32..) {
        let list: Vec<String> = ranges(layout, master).iter().map(|(from, to)| format!("{from} {to}")).collect();
        if !list.is_empty() {
            let _ = writeln!(text, "redis-cli -h {} -p {port} cluster addslotsrange {}", node.name, list.join(" "));
        }
    }
    for (node, followers) in layout.nodes.iter().zip(&layout.followers) {
        for follower in followers {
            let id = format!("$(redis-cli -h {} -p {port} cluster myid)", node.name);
            let _ = writeln!(text, "redis-cli -h {follower} -p {port} cluster replicate \"{id}\"");
        }
    }
    vec![("slots.sh".to_owned(), text)]
}
