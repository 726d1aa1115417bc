//! A one-line edit is named, and nothing else.

use super::*;

const SPEC: &str = "archgen: v1\nname: t\nzones: [a, b, c]\nservices:\n  one: { kind: process, command: [./one], port: 9000, replicas: 2 }\n  \
                    two: { kind: process, command: [./two], port: 9001, needs: [one, wide] }\nstores:\n  wide: { kind: cassandra, version: \
                    \"4.1\", nodes: 6, replication: { dc1: 3 }, tables: { t: { partition: [id bigint], columns: { a: text } } } }\n";

fn facts_of(text: &str) -> Facts {
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let loaded = archgen_spec::load("t.yaml", text.to_owned(), None, &none, &|_| None);
    facts(&loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
}

#[test]
fn replicas_are_one_change_and_start_what_is_new() {
    let found = difference_of_facts(&facts_of(SPEC), &facts_of(&SPEC.replace("replicas: 2", "replicas: 4")));
    let paths: Vec<&str> = found.changes.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(paths, ["services.one.replicas"]);
    assert_eq!((found.changes[0].from.as_deref(), found.changes[0].to.as_deref()), (Some("2"), Some("4")));
    assert_eq!(found.starts, ["one-3", "one-4"]);
    assert!(found.stops.is_empty() && found.restarts.is_empty() && found.slot_moves.is_empty(), "{found:?}");
}

#[test]
fn another_port_starts_its_own_instances_again_and_no_other() {
    let found = difference_of_facts(&facts_of(SPEC), &facts_of(&SPEC.replace("9001", "9009")));
    assert_eq!(found.restarts, ["two-1"]);
    assert!(difference_of_facts(&facts_of(SPEC), &facts_of(SPEC)).is_empty());
}

#[test]
fn a_promise_is_a_change_that_nothing_starts_again_for() {
    let promised = SPEC.replace("services:", "objectives: { components: { two: 99% } }\nservices:");
    let found = difference_of_facts(&facts_of(SPEC), &facts_of(&promised));
    assert_eq!(found.changes.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["objectives.components.two"]);
    assert_eq!((found.changes[0].to.as_deref(), found.restarts.len()), (Some("\"99%\""), 0));
}

#[test]
fn more_load_is_more_to_keep() {
    let loaded = |mean: &str| {
        let load = format!("name: t\nload: {{ messages: {{ mean: {mean}, peak: 100/s, size: 1kB, key: id }} }}\n");
        let kept = SPEC.replace("tables: { t:", "tables: { messages:");
        kept.replace("name: t\n", &load).replace("columns: { a: text }", "columns: { a: text }, ttl: 10d")
    };
    let found = difference_of_facts(&facts_of(&loaded("1/s")), &facts_of(&loaded("2/s")));
    let (from, to) = &found.capacity["wide: bytes a day"];
    assert_eq!(from.parse::<u64>().map(|n| n * 2), to.parse(), "{found:?}");
    assert!(found.capacity.contains_key("wide: bytes kept"), "{found:?}");
}

#[test]
fn more_nodes_move_the_fewest_slots_there_can_be() {
    let found = difference_of_facts(&facts_of(SPEC), &facts_of(&SPEC.replace("nodes: 6", "nodes: 9")));
    // Of 3 × 16,384 copies nine nodes hold 5,461 each, and three of them a copy more: the new ones get the fewer.
    assert_eq!(found.slot_moves.get("wide"), Some(&(3 * 5_461)), "{found:?}");
    assert!(found.restarts.is_empty(), "{found:?}");
    assert_eq!(found.starts, ["wide-7", "wide-8", "wide-9"]);
}

#[test]
fn leaves_are_found_whatever_their_names_and_texts_say() {
    let value = serde_json::json!({
        "list": [{"c": "}\"]"}, 1.5, null], "quo\"te": "x,y:{", "none": null, "empty": {}, "time": {"secs": 2, "nanos": 500_000_000},
        "below": {"one": -3, "two": {"three": true, "": "last"}}, "secs": 1,
    });
    let found = facts::part("p", &value);
    let expected = [
        ("p.below.one", "-3"),
        ("p.below.two.", "\"last\""),
        ("p.below.two.three", "true"),
        ("p.empty", "{}"),
        ("p.list", "[{\"c\":\"}\\\"]\"},1.5,null]"),
        ("p.quo\"te", "\"x,y:{\""),
        ("p.secs", "1"),
        ("p.time", "2500ms"),
    ];
    assert_eq!(found, expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
}
