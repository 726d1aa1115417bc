//! Each engine's own rules, played against what is written for it.

use std::collections::{BTreeMap, BTreeSet};

use archgen_spec::topology::Topology;
use proptest::prelude::*;

use super::*;
use crate::plan::{Balance, moves};

fn topology(zones: usize, stores: &str) -> Topology {
    let zones: Vec<String> = (0..zones).map(|z| format!("z{z}")).collect();
    let text = format!("archgen: v1\nname: t\nzones: [{}]\nstores:\n{stores}", zones.join(", "));
    let loaded = archgen_spec::load("t.yaml", text, None, &|_| Err(archgen_spec::ReadError::Missing), &|_| None);
    loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn only(topology: &Topology) -> Vec<Layout> {
    layouts(topology, StoreId(0))
}

/// Nodes with a copy of a token, as NetworkTopologyStrategy finds them: around the ring from the token, a node of each rack.
fn replicas(ring: &BTreeMap<i64, usize>, layout: &Layout, token: i64, copies: usize) -> Vec<usize> {
    let around = ring.range(token..).chain(ring.iter()).map(|(_, node)| *node);
    let mut found: Vec<usize> = Vec::new();
    for node in around {
        let taken = found.iter().any(|f| layout.nodes[*f].zone == layout.nodes[node].zone);
        if found.len() < copies && !taken {
            found.push(node);
        }
    }
    found
}

fn ring(layout: &Layout) -> BTreeMap<i64, usize> {
    let tokens = (0..layout.nodes.len()).flat_map(|n| cassandra::tokens(layout, n).into_iter().map(move |t| (t, n)));
    let all: Vec<(i64, usize)> = tokens.collect();
    let ring: BTreeMap<i64, usize> = all.iter().copied().collect();
    assert_eq!(ring.len(), all.len(), "no token belongs to two nodes");
    ring
}

fn cassandra_of(zones: usize, nodes: usize) -> Topology {
    topology(
        zones,
        &format!("  s: {{ kind: cassandra, version: \"4.1\", nodes: {nodes}, replication: {{ eu: {zones} }} }}\n"),
    )
}

fn check_ring(layout: &Layout, zones: usize) {
    let ring = ring(layout);
    let ranges = layout.map.placement.len();
    for (range, holders) in layout.map.placement.iter().enumerate() {
        // Anywhere in the range: at its first token, in its middle, just below where racks differ.
        let (first, last) = (token(range, ranges) - (u64::MAX / ranges as u64) as i64 + 8, token(range, ranges) - 8);
        for at in [first, last - 1_000_000, last] {
            let found: BTreeSet<usize> = replicas(&ring, layout, at, zones).into_iter().collect();
            let planned: BTreeSet<usize> = holders.iter().map(|n| *n as usize).collect();
            assert_eq!(found, planned, "range {range}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_ring_owns_what_the_plan_says_also_after_growth(zones in 2usize..5, sizes in prop::collection::vec(1usize..7, 2..4)) {
        let first = cassandra_of(zones, sizes[0] * zones);
        let mut current = only(&first);
        check_ring(&current[0], zones);
        for size in &sizes[1..] {
            let next = cassandra_of(zones, size * zones);
            let after = relayout(&current, &next, StoreId(0));
            check_ring(&after[0], zones);
            let before = current[0].cut(after[0].map.slots());
            let moved = moves(&before.map, &before.nodes, &after[0].map, &after[0].nodes).moves.len();
            let taken: usize = (0..after[0].nodes.len()).map(|n| {
                let name = &after[0].nodes[n].name;
                let held = |l: &Layout, at: Option<usize>| {
                    l.map.placement.iter().filter(|h| at.is_some_and(|n| h.contains(&(n as u32)))).count()
                };
                let was = held(&before, before.nodes.iter().position(|o| &o.name == name));
                held(&after[0], Some(n)).saturating_sub(was)
            }).sum();
            prop_assert_eq!(moved, taken, "nothing moves but to nodes that must take");
            let balance = Balance::measure(&after[0].map, &after[0].nodes);
            // Sixteen tokens a node and more: 1.10 is what the engine's own allocation reaches.
            prop_assert!(balance.max_over_mean_permille <= 1_100, "{:?}", balance);
            current = after;
        }
    }

    #[test]
    fn partitions_are_apart_by_rack(brokers in 3usize..9, partitions in 1u32..60) {
        let t = topology(3, &format!(
            "  s: {{ kind: kafka, version: \"3.7\", brokers: {brokers}, topics: {{ m: {{ partitions: {partitions}, replicas: 3, retain: 1d }} }} }}\n"
        ));
        let all = only(&t);
        prop_assert_eq!(all[0].map.placement.len(), partitions as usize);
        prop_assert_eq!(Balance::measure(&all[0].map, &all[0].nodes).zone_violations, 0);
        let json: serde_json::Value = serde_json::from_str(&engine_files(&t, StoreId(0))[0].1).unwrap();
        for (partition, entry) in json["partitions"].as_array().unwrap().iter().enumerate() {
            prop_assert_eq!(&entry["topic"], "t.m");
            prop_assert_eq!(entry["partition"].as_u64(), Some(partition as u64));
            let ids: Vec<u64> = entry["replicas"].as_array().unwrap().iter().map(|r| r.as_u64().unwrap()).collect();
            prop_assert!(ids.len() == 3 && ids.iter().all(|id| (1..=brokers as u64).contains(id)));
        }
    }

    #[test]
    fn slot_ranges_cover_each_slot_once(masters in 1usize..20, more in 0usize..4) {
        let of = |n: usize| topology(3, &format!("  s: {{ kind: redis, version: \"7.2\", nodes: {}, replicas: 1 }}\n", n * 2));
        let before = only(&of(masters));
        prop_assert!((0..masters as u32).all(|m| ranges(&before[0], m).len() == 1), "one range each to begin with");
        let after = relayout(&before, &of(masters + more), StoreId(0));
        let mut seen = vec![0u8; 16_384];
        for master in 0..(masters + more) as u32 {
            for (from, to) in ranges(&after[0], master) {
                (from..=to).for_each(|slot| seen[usize::from(slot)] += 1);
            }
        }
        prop_assert!(seen.iter().all(|times| *times == 1));
        let moved = moves(&before[0].map, &before[0].nodes, &after[0].map, &after[0].nodes).moves.len();
        // What new masters take is all that moves: their share to within a slot each.
        let share = 16_384 * more / (masters + more);
        prop_assert!(moved.abs_diff(share) <= more, "{} moved, {} taken", moved, share);
    }
}

#[test]
fn groups_are_apart_and_lead_in_every_zone() {
    let t = topology(
        3,
        "  s:\n    kind: postgres\n    version: \"15\"\n    nodes: 9\n    replicas: 2\n    tables: { a: { key: id uuid, shard: { by: hash(id), \
         into: 12 } } }\n",
    );
    let layout = &only(&t)[0];
    assert_eq!(layout.nodes.iter().map(|n| n.zone.as_str()).collect::<Vec<_>>(), ["z0", "z1", "z2"]);
    assert_eq!(layout.followers[1], ["s-4", "s-6"]);
    let files = engine_files(&t, StoreId(0));
    assert!(files[0].1.contains("('a', 0, '"), "{}", files[0].1);
    assert_eq!(files[0].1.matches("::text[])").count(), 12);
    assert!(
        files[1].1.contains("SELECT create_distributed_table('a', 'id', shard_count => 12, colocate_with => 'none');")
    );
}

#[test]
fn chunks_cut_all_hashes() {
    assert_eq!(boundary(0, 4), i64::MIN);
    assert_eq!([boundary(1, 4), boundary(2, 4), boundary(3, 4)], [i64::MIN / 2, 0, i64::MAX / 2 + 1]);
    let t = topology(
        3,
        "  s: { kind: mongodb, version: \"7.0\", shards: 3, replicas: 3, collections: { f: { key: hashed(_id) }, g: { key: [u, _id] } } }\n",
    );
    let text = &engine_files(&t, StoreId(0))[0].1;
    assert!(text.contains("sh.addShard(\"s-1/s-1:27017,s-2:27017,s-3:27017\");"), "{text}");
    assert_eq!(text.matches("sh.splitAt(\"t.f\"").count(), 23);
    assert_eq!(text.matches("sh.updateZoneKeyRange(\"t.f\"").count(), 24);
    assert!(text.contains("sh.shardCollection(\"t.g\", { \"u\": 1, \"_id\": 1 });"), "{text}");
}

#[test]
fn tokens_are_the_ends_of_equal_parts() {
    assert_eq!([token(0, 2), token(1, 2)], [-1, i64::MAX]);
    assert_eq!(token(2, 4), i64::MAX / 2);
    let files = engine_files(&cassandra_of(3, 3), StoreId(0));
    assert!(
        files[0].1.contains("s-1:\n  rack: z0\n  num_tokens: 16\n  initial_token: \"-8070450532247928833,"),
        "{}",
        files[0].1
    );
}

#[test]
fn an_index_is_cut_by_its_size() {
    let t = topology(
        3,
        "  s: { kind: elasticsearch, version: \"8.15\", nodes: 3, indexes: { messages: { shard_size: 30GB, replicas: 1, route: channel_id }, \
         p: { shard_size: 10GB } } }\n",
    );
    let json: serde_json::Value = serde_json::from_str(&engine_files(&t, StoreId(0))[0].1).unwrap();
    // Ten messages of 900 B a second, for a year: 284 GB.
    assert_eq!(json["t.messages"]["settings"]["number_of_shards"], 10);
    assert_eq!(json["t.messages"]["settings"]["number_of_routing_shards"], 1_020);
    assert_eq!(json["t.messages"]["routing"], "?routing=<channel_id>");
    assert_eq!(json["t.p"]["settings"]["number_of_shards"], 1);
}
