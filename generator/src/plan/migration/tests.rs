//! Waves keep their bounds, and joining nodes own in the ring what the plan gives them.

use std::collections::{BTreeMap, BTreeSet};

use archgen_spec::topology::Topology;
use proptest::prelude::*;

use super::*;
use crate::plan::{Layout, layouts, relayout};
use archgen_spec::topology::StoreId;

const PACE: Pace = Pace { transfers_per_node_max: 2, bytes_per_second_max: 50_000_000 };

fn topology(zones: usize, body: &str) -> Topology {
    let zones: Vec<String> = (0..zones).map(|z| format!("z{z}")).collect();
    let text = format!("archgen: v1\nname: t\nzones: [{}]\n{body}", zones.join(", "));
    let loaded = archgen_spec::load("t.yaml", text, None, &|_| Err(archgen_spec::ReadError::Missing), &|_| None);
    loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn kafka(brokers: usize) -> Topology {
    topology(
        3,
        &format!(
            "load: {{ messages: {{ mean: 2k/s, peak: 60k/s, size: 900B, key: channel_id }} }}\nstores:\n  events: {{ kind: kafka, version: \
             \"3.7\", brokers: {brokers}, disk: 2TB, topics: {{ message: {{ partitions: 96, replicas: 3, key: channel_id, retain: 7d }} }} }}\n"
        ),
    )
}

#[test]
fn a_grown_kafka_moves_its_share_in_bounded_waves_with_a_way_back() {
    let found = migration(&kafka(6), &kafka(9), PACE);
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    let store = &found.stores[0];
    // Three of nine brokers take a third of the 288 replicas.
    assert_eq!(store.moves, 96);
    for wave in &store.waves {
        let mut busy: BTreeMap<&str, u32> = BTreeMap::new();
        for t in &wave.transfers {
            *busy.entry(&t.from).or_default() += 1;
            *busy.entry(&t.to).or_default() += 1;
        }
        assert!(busy.values().all(|n| *n <= PACE.transfers_per_node_max), "{busy:?}");
    }
    // A week of 2,000 × 900 B in 96 partitions: 11.34 GB each.
    assert_eq!(store.bytes, Some(96 * (2_000 * 900 * 604_800 / 96)));
    let largest = store.waves.iter().flat_map(|w| &w.transfers).filter_map(|t| t.bytes).max().unwrap();
    assert!(store.seconds.unwrap() >= largest / PACE.bytes_per_second_max);
    let copy = store.steps.iter().find(|s| s.phase == Phase::Copy).unwrap();
    assert!(copy.commands[1].contains("--execute --throttle 50000000"), "{copy:?}");
    assert!(copy.rollback.iter().any(|c| c.contains("wave-1-back.json")));
    let last = store.steps.last().unwrap();
    assert!(last.phase == Phase::CleanUp && last.commands[0].ends_with("--verify; done"), "throttles go at the end");
    // Every partition moves in one reassignment at a time.
    for wave in &store.waves {
        let units: Vec<u16> = wave.transfers.iter().flat_map(|t| t.units.clone()).collect();
        assert!(!units.is_empty());
    }
    assert!(migration(&kafka(6), &kafka(6), PACE).is_empty());
    assert!(migration_table(&found).contains("events (kafka): 96 partitions move"));
}

/// Carrying out every wave leaves each partition as the new plan has it, its leader first, also where only the leader changes.
#[test]
fn the_waves_of_kafka_end_in_the_plan_leaders_and_all() {
    let (old, new) = (kafka(6), kafka(9));
    let before = layouts(&old, StoreId(0));
    let mut held = before[0].map.placement.clone();
    for step in migration(&old, &new, PACE).stores[0].steps.iter().filter(|s| s.phase == Phase::Copy) {
        let written = step.commands[0].lines().nth(1).unwrap();
        let wave: serde_json::Value = serde_json::from_str(written).unwrap();
        for one in wave["partitions"].as_array().unwrap() {
            let partition = one["partition"].as_u64().unwrap() as usize;
            let replicas = one["replicas"].as_array().unwrap();
            held[partition] = replicas.iter().map(|n| n.as_u64().unwrap() as u32 - 1).collect();
        }
    }
    assert_eq!(held, relayout(&before, &new, StoreId(0))[0].map.placement);
}

#[test]
fn what_cannot_be_done_is_refused_with_its_figures() {
    let small = migration(&kafka(6), &kafka(3), PACE);
    assert!(small.refused.is_empty(), "1.1 TB on each of three brokers of 2 TB: {:?}", small.refused);
    let redis = |kind: &str| topology(3, &format!("stores:\n  s: {{ kind: {kind}, version: \"7\", nodes: 3 }}\n"));
    let changed = migration(&redis("redis"), &redis("elasticsearch"), PACE);
    assert!(changed.refused[0].contains("changes its engine"), "{:?}", changed.refused);
    let topic = |n: u32| {
        topology(
            3,
            &format!(
                "stores:\n  e: {{ kind: kafka, version: \"3.7\", brokers: 3, topics: {{ m: {{ partitions: {n}, retain: 1d }} }} }}\n"
            ),
        )
    };
    let more = migration(&topic(12), &topic(24), PACE);
    assert!(more.refused[0].contains("from 12 to 24 partitions"), "{:?}", more.refused);
    let chat = |weight: u32| {
        topology(
            3,
            &format!(
                "load: {{ messages: {{ mean: 2k/s, peak: 60k/s, size: 900B, key: channel_id }} }}\nstores:\n  chat: {{ kind: cassandra, version: \
                 \"4.1\", nodes: 12, weights: {{ chat-1: {weight} }}, disk: 8TB, replication: {{ eu: 3 }}, tables: {{ messages: {{ partition: [channel_id bigint], cluster: \
                 [message_id bigint], ttl: 90d }} }} }}\n"
            ),
        )
    };
    let heavy = migration(&chat(1), &chat(10), PACE);
    // Ten thirteenths of the 14 TB that its rack holds.
    assert!(heavy.refused[0].contains("`chat-1` would hold 10."), "{:?}", heavy.refused);
}

#[test]
fn embedded_stores_move_what_archgen_up_moves() {
    let system = |nodes: u32| {
        topology(
            1,
            &format!(
                "services:\n  messaging: {{ port: 9210, needs: [chat.messages, users] }}\nstores:\n  chat: {{ kind: cassandra, embedded: \
                 true, nodes: {nodes}, tables: {{ messages: {{ partition: [channel_id bigint], cluster: [message_id bigint] }} }} }}\n  users: \
                 {{ kind: postgres, embedded: true, nodes: {nodes} }}\n  cache: {{ kind: redis, embedded: true, nodes: {nodes} }}\n  files: \
                 {{ kind: s3, embedded: true, nodes: {nodes} }}\n"
            ),
        )
    };
    let found = migration(&system(3), &system(5), PACE);
    let moves: Vec<(&str, usize, &str)> = found.stores.iter().map(|s| (s.store.as_str(), s.moves, s.unit)).collect();
    // Of 64 shards 22, 21, 21 become 13, 13, 13, 13, 12; all accounts stay where they are.
    assert_eq!(moves, [("chat", 25, "unit"), ("cache", 6_553, "unit"), ("files", 6_553, "unit")]);
    let back = migration(&system(5), &system(2), PACE);
    assert_eq!(back.stores[0].moves, 38);
}

fn ring_of(before: &Layout, after: &Layout) -> BTreeMap<i64, usize> {
    let mut ring = BTreeMap::new();
    for (index, node) in after.nodes.iter().enumerate() {
        let old = before.nodes.iter().position(|n| n.name == node.name);
        let tokens = match old {
            Some(old) => {
                let ranges = before.map.placement.len();
                let held = (0..ranges).filter(|r| before.map.placement[*r].contains(&(old as u32)));
                held.map(|r| {
                    super::super::engines::token(r, ranges) - super::super::engines::rack_offset(node, &before.nodes)
                })
                .collect()
            }
            None => cassandra::joining_tokens(before, after, index),
        };
        for token in tokens {
            assert!(ring.insert(token, index).is_none(), "a token belongs to one node");
        }
    }
    ring
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn joining_nodes_take_as_much_as_planned(zones in 1usize..4, first in 1usize..5, more in 1usize..4) {
        let of = |per_rack: usize| topology(zones, &format!(
            "stores:\n  s: {{ kind: cassandra, version: \"4.1\", nodes: {}, replication: {{ eu: {zones} }} }}\n", per_rack * zones
        ));
        let (old, new) = (of(first), of(first + more));
        let before = layouts(&old, StoreId(0)).remove(0);
        let after = relayout(std::slice::from_ref(&before), &new, StoreId(0)).remove(0);
        let ring = ring_of(&before, &after);
        let ranges = after.map.placement.len();
        let mut owned = vec![0usize; after.nodes.len()];
        for range in 0..ranges {
            let token = super::super::engines::token(range, ranges) - 1_000_000;
            let around = ring.range(token..).chain(ring.iter()).map(|(_, node)| *node);
            let mut racks = BTreeSet::new();
            for node in around {
                if racks.insert(after.nodes[node].zone.clone()) {
                    owned[node] += 1;
                }
            }
        }
        let planned: Vec<usize> = (0..after.nodes.len())
            .map(|n| after.map.placement.iter().filter(|h| h.contains(&(n as u32))).count())
            .collect();
        prop_assert_eq!(owned, planned);
    }
}
