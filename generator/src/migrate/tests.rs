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

/// The statements from one table to the next, without what limits their locks.
fn of_table(from: &str, to: &str, lose: bool) -> Vec<String> {
    let spec = |table: &str| topology(&SPEC.replace("a: { key: id uuid, columns: { x: text, y: text } }", table));
    let migration = migrate(&spec(from), &spec(to), lose);
    assert_eq!(migration.refusals, [], "{from} to {to}");
    let bare = |statement: &str| {
        statement.rsplit_once("; SET").map_or_else(String::new, |(_, rest)| {
            rest.split_once("; ").map_or_else(String::new, |(_, statement)| statement.to_owned())
        })
    };
    migration.steps.iter().map(|step| bare(&step.statement)).collect()
}

#[test]
fn the_wall_between_tenants_falls_before_its_column_goes_and_rises_after_it_came() {
    let with = "a: { key: id uuid, columns: { x: text, org: text }, tenant: org }";
    let plain = "a: { key: id uuid, columns: { x: text } }";
    let off = "ALTER TABLE \"a\" NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;";
    let gone = "DROP POLICY IF EXISTS tenant_wall ON \"a\";";
    assert_eq!(of_table(with, plain, true), [off, gone, "ALTER TABLE \"a\" DROP COLUMN IF EXISTS \"org\";"]);
    let kept = "a: { key: id uuid, columns: { x: text, org: text } }";
    assert_eq!(of_table(with, kept, true), [off, gone, "ALTER TABLE \"a\" ALTER COLUMN \"org\" DROP NOT NULL;"]);
    let rises = [
        "ALTER TABLE \"a\" ADD COLUMN IF NOT EXISTS \"org\" text;",
        "ALTER TABLE \"a\" ADD CONSTRAINT \"a_org_known\" CHECK (\"org\" IS NOT NULL) NOT VALID;",
        "ALTER TABLE \"a\" VALIDATE CONSTRAINT \"a_org_known\";",
        "ALTER TABLE \"a\" ALTER COLUMN \"org\" SET NOT NULL;",
        "ALTER TABLE \"a\" DROP CONSTRAINT \"a_org_known\";",
        "CREATE POLICY tenant_wall ON \"a\" USING (\"org\" = NULLIF(current_setting('archgen.tenant', true), '')::text);",
        "ALTER TABLE \"a\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",
    ];
    assert_eq!(of_table(plain, with, false), rises);
    assert_eq!(of_table(kept, with, false), rises[1..]);
    // What identifies a row is never nothing.
    let (bare, keyed) = ("a: { key: [id uuid, org text] }", "a: { key: [id uuid, org text], tenant: org }");
    assert_eq!(of_table(bare, keyed, false), rises[5..]);
    assert_eq!(of_table(keyed, bare, true), [off, gone]);
}

#[test]
fn the_wall_is_the_same_in_the_schema_and_on_the_way_to_it() {
    let with = "a: { key: id uuid, columns: { x: text, org: text }, tenant: org }";
    let spec = topology(&SPEC.replace("a: { key: id uuid, columns: { x: text, y: text } }", with));
    let files = crate::generate(&spec, &crate::Options::default()).expect("artifacts").files;
    for file in ["schema", "citus"] {
        let schema = &files[&format!("postgres/rows/{file}.sql")];
        assert!(schema.contains("\"org\" text NOT NULL"), "{schema}");
        for statement in &of_table("a: { key: id uuid, columns: { x: text } }", with, false)[5..] {
            assert!(schema.contains(statement), "{file}: {statement}");
        }
        assert!(schema.contains("SET LOCAL archgen.tenant"), "{schema}");
        assert_eq!(schema.contains("citus.propagate_set_commands = %L', current_database(), 'local'"), file == "citus");
    }
}
