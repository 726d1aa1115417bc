//! Each kind of change: what is run, and what is refused.

use archgen_spec::topology::Topology;

use super::*;

const SPEC: &str = "archgen: v1\nname: t\nservices:\n  one: { kind: process, command: [./one], port: 9000, needs: [rows, wide], publishes: [log.e] }\nstores:\n  \
                    rows: { kind: postgres, version: \"15\", tables: { a: { key: id uuid, columns: { x: text, y: text } }, b: { key: id uuid, \
                    columns: { z: text }, shard: { by: hash(id), into: 2 } } } }\n  wide: { kind: cassandra, version: \"4.1\", tables: { t: { \
                    partition: [id bigint], columns: { a: text } } } }\n  log: { kind: kafka, version: \"3.7\", topics: { e: { partitions: 4, key: \
                    id, retain: 7d } } }\n";

fn topology(text: &str) -> Topology {
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let loaded = archgen_spec::load("t.yaml", text.to_owned(), None, &none, &|_| None);
    loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn after(change: &[(&str, &str)], lose: bool) -> Migration {
    let mut text = SPEC.to_owned();
    for (from, to) in change {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    migrate(&topology(SPEC), &topology(&text), lose)
}

fn statements(migration: &Migration) -> String {
    assert_eq!(migration.refusals, []);
    migration.steps.iter().map(|s| format!("{}\n", s.statement)).collect()
}

#[test]
fn what_is_safe_is_done_online() {
    let text = statements(&after(&[("y: text", "y: text, n: int unique")], false));
    assert!(text.contains("ADD COLUMN IF NOT EXISTS \"n\" int;"), "{text}");
    assert!(text.contains("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"a_n_unique\""), "{text}");
    assert!(text.contains("UNIQUE USING INDEX \"a_n_unique\""), "{text}");
    assert!(text.lines().all(|l| l.starts_with("SET lock_timeout")), "{text}");
    let text = statements(&after(&[("columns: { z: text }", "columns: { z: text }, indexes: { by_z: [z] }")], false));
    assert_eq!(text.matches("CONCURRENTLY").count(), 2, "one for each partition: {text}");
    assert_eq!(text.matches("ATTACH PARTITION").count(), 2, "{text}");
    let text = statements(&after(&[("columns: { a: text }", "columns: { a: text, c: int }, ttl: 30d")], false));
    assert!(text.contains("ALTER TABLE \"t\".\"t\" ADD \"c\" int;") && text.contains("2592000"), "{text}");
    let text = statements(&after(&[("retain: 7d", "retain: 9d")], false));
    assert!(text.contains("retention.ms=777600000"), "{text}");
    assert_eq!(after(&[], false), Migration::default());
}

#[test]
fn what_loses_data_is_done_when_asked_only() {
    for change in [("x: text, y: text", "x: text"), ("{ a: text }", "{ b: text }"), ("retain: 7d", "retain: 1d")] {
        let refused = after(&[change], false);
        assert!(refused.refusals.iter().any(|r| r.loses_data), "{change:?}: {refused:?}");
        assert!(after(&[change], true).refusals.is_empty(), "{change:?}");
    }
}

#[test]
fn what_cannot_be_done_online_is_refused_either_way() {
    let changes = [
        ("into: 2", "into: 4"),
        ("z: text", "z: int"),
        ("partition: [id bigint]", "partition: [id int]"),
        ("partitions: 4", "partitions: 8"),
    ];
    for change in changes {
        assert!(after(&[change], true).refusals.iter().any(|r| !r.loses_data), "{change:?}");
    }
}
